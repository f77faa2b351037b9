-- mart.kpi_retention: the KPIs of subscribers that stay: retention_rate, new_retention_rate.
-- grain: one row per month, source, tier and KPI
-- key: month, source, tier, kpi
-- for: build
-- reads: mart.bill_month, mart.closed_month, mart.cohort_member, mart.kpi_cell
-- rule: who is open at the end of the month of those open at its start, and of those opened some months before
-- title: KPIs of subscribers that stay / 留存类指标
-- columns of mart.kpi_cell: month, source, tier
-- column: kpi: KPI / 指标代码
-- column: numerator: Numerator, subscribers / 分子（用户数）
-- column: denominator: Denominator, subscribers / 分母（用户数）

with counted as (
    select month, source, tier, open_at_start as open_count, kept_count, 0 as cohort_count, 0 as retained_count
    from mart.closed_month
    union all
    select
        month, source, tier, 0 as open_count, 0 as kept_count,
        count(*) as cohort_count,
        count(case when is_retained then 1 end) as retained_count
    from mart.cohort_member
    group by month, source, tier
),

totalled as (
    select
        n.month,
        case when grouping(n.source) = 1 then 'ALL' else n.source end as source,
        case when grouping(n.tier) = 1 then 'ALL' else n.tier end as tier,
        cast(sum(n.open_count) as bigint) as open_count, cast(sum(n.kept_count) as bigint) as kept_count,
        cast(sum(n.cohort_count) as bigint) as cohort_count, cast(sum(n.retained_count) as bigint) as retained_count
    from counted as n
    inner join mart.bill_month as b on b.source = n.source and n.month <= b.bill_month
    group by n.month, cube (n.source, n.tier)
),

cell as (
    select t.*
    from totalled as t
    inner join mart.kpi_cell as c on c.month = t.month and c.source = t.source and c.tier = t.tier
)

select month, source, tier, 'retention_rate' as kpi, kept_count as numerator, open_count as denominator from cell
union all
select
    month, source, tier, 'new_retention_rate' as kpi, retained_count as numerator, cohort_count as denominator
from cell
