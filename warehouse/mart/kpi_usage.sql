-- mart.kpi_usage: the KPI that counts days of usage: usage_frequency.
-- grain: one row per month, source, tier and KPI
-- key: month, source, tier, kpi
-- for: build
-- reads: core.usage, mart.bill_month, mart.closed_month, mart.horizon, mart.kpi_cell, mart.kpi_subscriber,
--   mart.month, mart.service_tier_month, mart.subscriber, mart.subscriber_first_month
-- rule: distinct (subscriber, day of usage) of the month against subscribers open at its end. Usage of who is not
--   known, or was not open by then, counts only under tier ALL of the files' sources, each day once in each of them.
-- title: KPIs that count days of usage / 使用类指标
-- columns of mart.kpi_cell: month, source, tier
-- column: kpi: KPI / 指标代码
-- column: numerator: Numerator, days of subscribers / 分子（用户使用天数）
-- column: denominator: Denominator, subscribers / 分母（用户数）

-- Whoever was open in the first month or before has a place for all its usage: only the others are looked at by day.
with settled as (
    select n.user_id
    from mart.subscriber as n
    left join mart.subscriber_first_month as f on f.user_id = n.user_id
    where f.user_id is null
),

other_usage as (
    select u.user_id, u.source, u.started_at
    from core.usage as u
    left join settled as s on s.user_id = u.user_id
    where u.is_current and s.user_id is null
),

day as (
    select
        u.user_id, u.source, cast(u.started_at as date) as usage_date,
        cast(extract(year from u.started_at) * 12 + extract(month from u.started_at) - 1 as integer) as month_index,
        coalesce(f.first_month_index, h.last_month_index + 1) as first_month_index
    from other_usage as u
    inner join mart.horizon as h on u.started_at < h.end_at
    left join mart.subscriber_first_month as f on f.user_id = u.user_id
),

unplaced as (
    select distinct m.month, d.source, d.user_id, d.usage_date
    from day as d
    inner join mart.month as m on m.month_index = d.month_index
    inner join mart.bill_month as b on b.source = d.source and d.month_index <= b.month_index
    where d.month_index < d.first_month_index
),

counted as (
    select s.month, s.source, s.tier, s.usage_day_count
    from (
        select month, source, tier, usage_day_count from mart.closed_month
        union all
        select month, source, tier, cast(sum(usage_day_count) as bigint) as usage_day_count
        from mart.service_tier_month
        group by month, source, tier
    ) as s
    inner join mart.bill_month as b on b.source = s.source and s.month <= b.bill_month
),

totalled as (
    select
        month,
        case when grouping(source) = 1 then 'ALL' else source end as source,
        case when grouping(tier) = 1 then 'ALL' else tier end as tier,
        cast(sum(usage_day_count) as bigint) as usage_day_count
    from counted
    group by month, cube (source, tier)
    union all
    select month, source, 'ALL' as tier, count(*) as usage_day_count
    from unplaced
    group by month, source
    union all
    select month, 'ALL' as source, 'ALL' as tier, count(*) as usage_day_count
    from (select distinct month, user_id, usage_date from unplaced) as everywhere
    group by month
)

select
    c.month, c.source, c.tier, 'usage_frequency' as kpi,
    cast(coalesce(sum(t.usage_day_count), 0) as bigint) as numerator,
    s.numerator as denominator
from mart.kpi_cell as c
inner join mart.kpi_subscriber as s
    on s.month = c.month and s.source = c.source and s.tier = c.tier and s.kpi = 'customer_base'
left join totalled as t on t.month = c.month and t.source = c.source and t.tier = c.tier
group by c.month, c.source, c.tier, s.numerator
