-- mart.kpi: all KPIs of the months from M-12 to M.
-- grain: one row per month, source (or ALL), tier (or ALL), feed (null but for KPIs of feeds) and KPI
-- key: month, source, tier, feed, kpi
-- reads: mart.kpi_bill, mart.kpi_subscriber, policy.kpi_target
-- rule: value is numerator / denominator, a fraction where the KPI is a rate; no row where the denominator is 0; target
--   is null where the policy has none

with measured as (
    select month, source, tier, cast(null as varchar) as feed, kpi, numerator, denominator from mart.kpi_subscriber
    union all
    select month, source, tier, cast(null as varchar) as feed, kpi, numerator, denominator from mart.kpi_bill
)

select
    measured.month, measured.source, measured.tier, measured.feed, measured.kpi,
    cast(measured.numerator as bigint) as numerator,
    cast(measured.denominator as bigint) as denominator,
    cast(measured.numerator as double) / cast(measured.denominator as double) as value,
    target.target
from measured
left join policy.kpi_target as target
    on target.source = measured.source and target.tier = measured.tier and target.kpi = measured.kpi
where measured.denominator <> 0
