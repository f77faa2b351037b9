-- step_last_contact: the newest contact of a subscriber, and the newest of the service's own calls.
-- grain: one row per subscriber with a contact, or with a call to its number that names nobody
-- key: user_id
-- by: all
-- reads: core.contact, mart.horizon, mart.subscriber_state
-- rule: by arrived_at; of several at one time the greatest contact_id. A dialler may know no more than the number that
--   it called: such a call was to whom has the number at the as-of date, which only called_at tells

with newest as (
    select
        c.user_id,
        max(c.arrived_at) as arrived_at,
        max_by(coalesce(c.purpose, ''), {'arrived_at': c.arrived_at, 'contact_id': c.contact_id}) as purpose,
        max(case when c.channel = 'OUTBOUND' then c.arrived_at end) as called_at
    from core.contact as c
    inner join mart.subscriber_state as s on s.user_id = c.user_id
    cross join mart.horizon as h
    where c.is_current and c.arrived_at < h.end_at
    group by c.user_id
),

number_called as (
    select s.user_id, max(c.arrived_at) as called_at
    from core.contact as c
    inner join mart.subscriber_state as s on s.service_number = c.service_number
    cross join mart.horizon as h
    where c.is_current and c.arrived_at < h.end_at and c.channel = 'OUTBOUND' and c.user_id is null
    group by s.user_id
)

select
    coalesce(n.user_id, c.user_id) as user_id,
    n.arrived_at, n.purpose,
    greatest(n.called_at, c.called_at) as called_at
from newest as n
full outer join number_called as c on c.user_id = n.user_id
