-- mart.kpi_cell: which cells KPIs are worked out for.
-- grain: one row per month, source (or ALL) and tier (or ALL)
-- key: month, source, tier
-- for: build
-- reads: mart.bill_month, mart.month, policy.history, policy.tier
-- rule: from kpi_months before the last closed month to that month, by source; for source ALL, the last month that any
--   source has closed. A source takes part in ALL for the months up to its own last closed month.
-- title: Cells of KPIs / 指标统计维度
-- columns of mart.month: month
-- column: source: Source, or ALL / 省份（ALL 为全部）
-- column: tier: Tier, or ALL / 客户层次（ALL 为全部）

with closed as (
    select source, month_index from mart.bill_month
    union all
    select 'ALL' as source, max(month_index) as month_index from mart.bill_month
),

tier as (
    select source, tier from policy.tier
    union all
    select distinct source, 'ALL' as tier from policy.tier
)

select mart.month.month, closed.source, tier.tier
from closed
cross join policy.history as history
inner join mart.month
    on mart.month.month_index between closed.month_index - history.kpi_months and closed.month_index
inner join tier on tier.source = closed.source
