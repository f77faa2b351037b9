-- mart.kpi_answer: the KPIs that count contacts with agents: answer_rate, answer_in_target_rate, abandon_rate.
-- grain: one row per month, source, tier served and KPI
-- key: month, source, tier, kpi
-- for: build
-- reads: mart.answer_tier_month, mart.bill_month, mart.kpi_cell
-- rule: of all contacts with agents that arrived in the month; the tier is the one that they were served as
-- title: KPIs that count contacts with agents / 人工接通类指标
-- columns of mart.kpi_cell: month, source, tier
-- column: kpi: KPI / 指标代码
-- column: numerator: Numerator, contacts / 分子（接触次数）
-- column: denominator: Denominator, contacts / 分母（接触次数）

with totalled as (
    select
        a.month,
        case when grouping(a.source) = 1 then 'ALL' else a.source end as source,
        case when grouping(a.tier) = 1 then 'ALL' else a.tier end as tier,
        cast(sum(a.contact_count) as bigint) as contact_count, cast(sum(a.answered_count) as bigint) as answered_count,
        cast(sum(a.in_target_count) as bigint) as in_target_count,
        cast(sum(a.abandoned_count) as bigint) as abandoned_count
    from mart.answer_tier_month as a
    inner join mart.bill_month as b on b.source = a.source and a.month <= b.bill_month
    group by a.month, cube (a.source, a.tier)
),

cell as (
    select t.*
    from totalled as t
    inner join mart.kpi_cell as c on c.month = t.month and c.source = t.source and c.tier = t.tier
)

select month, source, tier, 'answer_rate' as kpi, answered_count as numerator, contact_count as denominator from cell
union all
select
    month, source, tier, 'answer_in_target_rate' as kpi, in_target_count as numerator, contact_count as denominator
from cell
union all
select month, source, tier, 'abandon_rate' as kpi, abandoned_count as numerator, contact_count as denominator from cell
