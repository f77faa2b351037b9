-- bi.dim_plan: plans.
-- grain: one row per plan that a subscriber has or had
-- key: plan_code
-- reads: core.plan
-- rule: bi.dim_subscriber and bi.subscriber_period join by plan_code
-- title: Plans / 资费套餐维度
-- column: plan_code: Plan / 资费套餐编码
-- column: title_en: Title in English; the code where none is known / 英文名称
-- column: title_zh: Title in Chinese; the code where none is known / 中文名称

select
    code as plan_code,
    coalesce(title_en, code) as title_en,
    coalesce(title_zh, code) as title_zh
from core.plan
