-- mart.usage_month: what a subscriber used in a month.
-- grain: one row per subscriber and month with usage within the horizon
-- key: user_id, month_index
-- reads: core.usage, mart.horizon
-- rule: usage counts by started_at, up to the end of the as-of date. Minutes are seconds / 60 and MB kilobytes / 1024,
--   rounded to two places.

with day as (
    select
        user_id,
        cast(started_at as date) as usage_date,
        sum(case when usage_type = 'V' then duration_s else 0 end) as voice_s,
        sum(case when usage_type = 'M' then 1 else 0 end) as message_count,
        sum(case when usage_type = 'D' then volume_kb else 0 end) as data_kb
    from core.usage
    cross join mart.horizon
    where is_current and started_at < end_at
    group by user_id, cast(started_at as date)
)

select
    user_id,
    cast(extract(year from usage_date) * 12 + extract(month from usage_date) - 1 as integer) as month_index,
    cast(count(*) as integer) as usage_day_count,
    cast(sum(voice_s) / 60 as decimal(18, 2)) as voice_minutes,
    cast(sum(message_count) as bigint) as message_count,
    cast(sum(data_kb) / 1024 as decimal(18, 2)) as data_mb
from day
cross join mart.horizon
group by user_id, cast(extract(year from usage_date) * 12 + extract(month from usage_date) - 1 as integer)
