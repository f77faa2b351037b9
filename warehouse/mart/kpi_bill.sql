-- mart.kpi_bill: the KPIs that count bills: arpu, arrears_rate.
-- grain: one row per month, source, tier and KPI
-- key: month, source, tier, kpi
-- for: build
-- reads: core.bill, mart.bill_month, mart.closed_month, mart.kpi_cell, mart.stray_bill, mart.subscriber
-- rule: arpu is the sum of the month's totals (fen) by bill, arrears_rate what is outstanding of them. A bill whose
--   subscriber is not known or had no tier by then counts only under tier ALL of its file's source.
-- title: KPIs that count bills / 账单类指标
-- columns of mart.kpi_cell: month, source, tier
-- column: kpi: KPI / 指标代码
-- column: numerator: Numerator, fen / 分子（分）
-- column: denominator: Denominator, bills or fen / 分母（账单数或分）

with counted as (
    select month, source, tier, total_fen, outstanding_fen, bill_count
    from mart.closed_month
    where bill_count > 0
    union all
    select month, source, tier, total_fen, outstanding_fen, 1 as bill_count
    from mart.stray_bill
    union all
    select billing_cycle as month, source, null as tier, total_fen, outstanding_fen, 1 as bill_count
    from core.bill
    where is_current and user_id not in (select user_id from mart.subscriber)
),

totalled as (
    select
        c.month,
        case when grouping(c.source) = 1 then 'ALL' else c.source end as source,
        case when grouping(c.tier) = 1 then 'ALL' else c.tier end as tier,
        cast(sum(c.total_fen) as bigint) as total_fen,
        cast(sum(c.outstanding_fen) as bigint) as outstanding_fen,
        cast(sum(c.bill_count) as bigint) as bill_count
    from counted as c
    inner join mart.bill_month as b on b.source = c.source and c.month <= b.bill_month
    group by c.month, cube (c.source, c.tier)
),

cell as (
    select t.*
    from totalled as t
    inner join mart.kpi_cell as c on c.month = t.month and c.source = t.source and c.tier = t.tier
)

select month, source, tier, 'arpu' as kpi, total_fen as numerator, bill_count as denominator from cell
union all
select month, source, tier, 'arrears_rate' as kpi, outstanding_fen as numerator, total_fen as denominator from cell
