-- mart.subscriber_state: the state of every subscriber at the as-of date.
-- grain: one row per subscriber that has a state then, closed ones too
-- key: user_id
-- reads: core.subscriber, mart.horizon
-- rule: the state at D is the period that begins before E and does not end before it

select core.subscriber.* exclude (valid_to, is_current)
from core.subscriber
cross join mart.horizon
where core.subscriber.valid_from < mart.horizon.end_at
    and (core.subscriber.valid_to is null or core.subscriber.valid_to >= mart.horizon.end_at)
