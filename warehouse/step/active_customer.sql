-- step_active_customer: customers of whom an open subscriber used or paid anything in the last days.
-- grain: one row per such customer
-- key: customer_id
-- by: all
-- reads: core.payment, core.usage, mart.horizon, mart.subscriber_state, policy.loyalty
-- rule: usage detail by started_at and payments by paid_at of so many days up to E

with fact as (
    select user_id, started_at as at
    from core.usage
    where is_current
    union all
    select user_id, paid_at as at
    from core.payment
    where is_current
),

active as (
    select f.user_id, max(f.at) as at
    from fact as f
    cross join mart.horizon as h
    where f.at < h.end_at
        and f.at >= h.end_at - (select max(inactive_days) from policy.loyalty) * interval 1 day
    group by f.user_id
)

select distinct s.customer_id
from active as a
inner join mart.subscriber_state as s on s.user_id = a.user_id and s.status <> '9'
cross join mart.horizon as h
inner join policy.loyalty as l
    on l.source = s.source and a.at >= h.end_at - l.inactive_days * interval 1 day
