-- list.kpim: the KPIM list: the KPIs of the last closed month and of those before it.
-- grain: one row per month, source (or ALL), tier (or ALL), KPI and, in its name, feed
-- key: month, source, tier, kpi
-- reads: mart.kpi
-- rule: a KPI of a feed is named with it, KPI.FEED, for the list has no column for the feed
--   value is rounded half up to six places, from the whole numbers beside it: as a double a half may lie below it
-- title: KPIM list / 月度指标
-- columns of mart.kpi: month, source, tier, numerator, denominator, value, target
-- column: kpi: KPI, with the feed where it is of one / 指标代码

select
    month, source, tier,
    case when feed is null then kpi else kpi || '.' || feed end as kpi,
    numerator, denominator,
    cast(
        cast(
            (2000000 * cast(numerator as hugeint) + case when numerator < 0 then -denominator else denominator end)
            // (2 * cast(denominator as hugeint)) as decimal(18, 0)
        ) * 0.000001 as decimal(18, 6)
    ) as value,
    target
from mart.kpi
