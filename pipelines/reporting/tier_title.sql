-- tier_title: the tiers, best first.
-- grain: one row per tier
-- reads: core.tier, policy.tier

select t.tier, c.title_en, c.title_zh
from policy.tier as t
left join core.tier as c on c.code = t.tier
where t.source = 'ALL'
order by t.rank
