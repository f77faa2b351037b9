-- step_silent: subscribers of whom it is known that they used nothing in the last days (rule C5).
-- grain: one row per open subscriber without usage in these days
-- key: user_id
-- by: all
-- reads: core.usage, mart.horizon, mart.subscriber_state, ops.cycle, policy.warning
-- rule: no usage detail of the days D-6 to D, and all usage cycles of the source in these days complete: what has not
--   come yet does not make a subscriber silent

with day as (
    select w.source, substr(c.cycle, 1, 8) as day, w.c5_silent_days as day_count
    from policy.warning as w
    cross join mart.horizon as h
    inner join ops.cycle as c
        on c.source = w.source and c.feed = 'USGE'
            and substr(c.cycle, 1, 8) <= strftime(h.as_of, '%Y%m%d')
            and substr(c.cycle, 1, 8) > strftime(h.as_of - cast(w.c5_silent_days as integer), '%Y%m%d')
    group by w.source, substr(c.cycle, 1, 8), w.c5_silent_days
    having bool_and(c.state = 'complete')
),

known as (
    select source, day_count
    from day
    group by source, day_count
    having count(*) = day_count
)

select s.user_id, k.day_count
from mart.subscriber_state as s
inner join known as k on k.source = s.source
where s.status <> '9'
    and not exists (
        select 1
        from core.usage as u
        cross join mart.horizon as h
        where u.user_id = s.user_id and u.is_current
            and u.started_at < h.end_at and u.started_at >= h.end_at - k.day_count * interval 1 day
    )
