-- mart.kpi_subscriber: the KPIs that count subscribers: customer_base, gross_adds, churn_rate.
-- grain: one row per month, source, tier and KPI
-- key: month, source, tier, kpi
-- for: build
-- reads: mart.bill_month, mart.closed_month, mart.kpi_cell, mart.subscriber_opening
-- rule: customer_base and gross_adds are counts (denominator 1, so 0 shows too); churn_rate is who closed in the month
--   against who was open at its start
-- title: KPIs that count subscribers / 用户类指标
-- columns of mart.kpi_cell: month, source, tier
-- column: kpi: KPI / 指标代码
-- column: numerator: Numerator, subscribers / 分子（用户数）
-- column: denominator: Denominator, subscribers or 1 / 分母（用户数或 1）

with counted as (
    select month, source, tier, open_at_end, open_at_start, closed_count as closed, 0 as opened
    from mart.closed_month
    union all
    select month, source, tier, 0 as open_at_end, 0 as open_at_start, 0 as closed, count(*) as opened
    from mart.subscriber_opening
    group by month, source, tier
),

totalled as (
    select
        counted.month,
        case when grouping(counted.source) = 1 then 'ALL' else counted.source end as source,
        case when grouping(counted.tier) = 1 then 'ALL' else counted.tier end as tier,
        cast(sum(open_at_end) as bigint) as open_at_end,
        cast(sum(open_at_start) as bigint) as open_at_start,
        cast(sum(closed) as bigint) as closed,
        cast(sum(opened) as bigint) as opened
    from counted
    inner join mart.bill_month as b on b.source = counted.source and counted.month <= b.bill_month
    group by counted.month, cube (counted.source, counted.tier)
),

cell as (
    select
        c.month, c.source, c.tier,
        coalesce(t.open_at_end, 0) as open_at_end,
        coalesce(t.open_at_start, 0) as open_at_start,
        coalesce(t.opened, 0) as opened,
        coalesce(t.closed, 0) as closed
    from mart.kpi_cell as c
    left join totalled as t on t.month = c.month and t.source = c.source and t.tier = c.tier
)

select month, source, tier, 'customer_base' as kpi, open_at_end as numerator, cast(1 as bigint) as denominator from cell
union all
select month, source, tier, 'gross_adds' as kpi, opened as numerator, cast(1 as bigint) as denominator from cell
union all
select month, source, tier, 'churn_rate' as kpi, closed as numerator, open_at_start as denominator from cell
