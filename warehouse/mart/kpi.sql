-- mart.kpi: all KPIs of the months from M-12 to M.
-- grain: one row per month, source (or ALL), tier (or ALL), feed (null but for KPIs of feeds) and KPI
-- key: month, source, tier, feed, kpi
-- reads: mart.kpi_answer, mart.kpi_bill, mart.kpi_customer, mart.kpi_feed, mart.kpi_retention, mart.kpi_service,
--   mart.kpi_subscriber, mart.kpi_top, mart.kpi_usage, policy.kpi_target
-- rule: value is numerator / denominator, a fraction where the KPI is a rate; no row where the denominator is 0; target
--   is null where the policy has none
-- title: KPIs / 关键绩效指标
-- columns of mart.month: month
-- column: source: Source, or ALL / 省份（ALL 为全部）
-- column: tier: Tier, or ALL / 客户层次（ALL 为全部）
-- column: feed: Feed, for KPIs of feeds / 接口代码（仅接口指标）
-- column: kpi: KPI / 指标代码
-- column: numerator: Numerator / 分子
-- column: denominator: Denominator / 分母
-- column: value: Value, numerator / denominator; a rate lies between 0 and 1 / 指标值
-- column: target: Target of the policy; null: none / 目标值

with measured as (
    select month, source, tier, cast(null as varchar) as feed, kpi, numerator, denominator from mart.kpi_answer
    union all
    select month, source, tier, cast(null as varchar) as feed, kpi, numerator, denominator from mart.kpi_bill
    union all
    select month, source, tier, cast(null as varchar) as feed, kpi, numerator, denominator from mart.kpi_customer
    union all
    select month, source, tier, feed, kpi, numerator, denominator from mart.kpi_feed
    union all
    select month, source, tier, cast(null as varchar) as feed, kpi, numerator, denominator from mart.kpi_retention
    union all
    select month, source, tier, cast(null as varchar) as feed, kpi, numerator, denominator from mart.kpi_service
    union all
    select month, source, tier, cast(null as varchar) as feed, kpi, numerator, denominator from mart.kpi_subscriber
    union all
    select month, source, tier, cast(null as varchar) as feed, kpi, numerator, denominator from mart.kpi_top
    union all
    select month, source, tier, cast(null as varchar) as feed, kpi, numerator, denominator from mart.kpi_usage
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
