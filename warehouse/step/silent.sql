-- step_silent: subscribers of whom it is known that they used nothing in the last days (rule C5).
-- grain: one row per open subscriber without usage in these days
-- key: user_id
-- by: all
-- reads: core.usage, mart.horizon, mart.subscriber_state, mart.usage_cover
-- rule: no usage detail of the days D-6 to D, and all usage cycles of the source in these days complete: what has not
--   come yet does not make a subscriber silent

select s.user_id, k.day_count
from mart.subscriber_state as s
inner join mart.usage_cover as k on k.source = s.source
where s.status <> '9'
    and not exists (
        select 1
        from core.usage as u
        cross join mart.horizon as h
        where u.user_id = s.user_id and u.is_current
            and u.started_at < h.end_at and u.started_at >= h.end_at - k.day_count * interval 1 day
    )
