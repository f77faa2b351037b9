-- mart.kpi_service: the KPIs that count contacts and work orders: complaint_satisfaction, winback_rate,
--   complaints_per_10k, work_order_on_time_rate.
-- grain: one row per month, source, tier and KPI
-- key: month, source, tier, kpi
-- for: build
-- reads: mart.bill_month, mart.kpi_cell, mart.kpi_subscriber, mart.service_tier_month, policy.kpi
-- rule: contacts by arrived_at, work orders by closed_at; without a known subscriber only under tier ALL of the file's
--   source. Complaints are told per so many subscribers open at the end of the month (complaints_per).
-- title: KPIs that count contacts and work orders / 服务类指标
-- columns of mart.kpi_cell: month, source, tier
-- column: kpi: KPI / 指标代码
-- column: numerator: Numerator / 分子
-- column: denominator: Denominator / 分母

with totalled as (
    select
        s.month,
        case when grouping(s.source) = 1 then 'ALL' else s.source end as source,
        case when grouping(s.tier) = 1 then 'ALL' else s.tier end as tier,
        cast(sum(s.complaint_count) as bigint) as complaint_count, cast(sum(s.rated_count) as bigint) as rated_count,
        cast(sum(s.satisfied_count) as bigint) as satisfied_count,
        cast(sum(s.kept_count) as bigint) as kept_count,
        cast(sum(s.lost_count) as bigint) as lost_count,
        cast(sum(s.order_count) as bigint) as order_count, cast(sum(s.on_time_count) as bigint) as on_time_count
    from mart.service_tier_month as s
    inner join mart.bill_month as b on b.source = s.source and s.month <= b.bill_month
    group by s.month, cube (s.source, s.tier)
),

cell as (
    select t.*
    from totalled as t
    inner join mart.kpi_cell as c on c.month = t.month and c.source = t.source and c.tier = t.tier
),

complained as (
    select
        s.month, s.source, s.tier, s.numerator as open_count,
        coalesce(cell.complaint_count, 0) * k.complaints_per as complaint_count
    from mart.kpi_subscriber as s
    inner join policy.kpi as k on k.source = s.source
    left join cell on cell.month = s.month and cell.source = s.source and cell.tier = s.tier
    where s.kpi = 'customer_base'
)

select
    month, source, tier, 'complaint_satisfaction' as kpi, satisfied_count as numerator, rated_count as denominator
from cell
union all
select
    month, source, tier, 'winback_rate' as kpi, kept_count as numerator, kept_count + lost_count as denominator
from cell
union all
select
    month, source, tier, 'work_order_on_time_rate' as kpi, on_time_count as numerator, order_count as denominator
from cell
union all
select
    month, source, tier, 'complaints_per_10k' as kpi, complaint_count as numerator, open_count as denominator
from complained
