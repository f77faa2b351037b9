-- bi.dim_tier: service tiers, best first.
-- grain: one row per tier
-- key: tier
-- reads: core.tier, policy.tier
-- rule: rank is that of the default policy, 1 the best. bi.fact_subscriber_month joins by tier, bi.fact_contact by
--   tier_served.
-- title: Tiers / 客户层次维度
-- column: tier: Service tier / 客户层次
-- columns of policy.tier: rank
-- column: title_en: Title in English / 英文名称
-- column: title_zh: Title in Chinese / 中文名称

select t.code as tier, r.rank, t.title_en, t.title_zh
from core.tier as t
left join policy.tier as r on r.tier = t.code and r.source = 'ALL'
