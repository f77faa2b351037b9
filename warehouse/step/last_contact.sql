-- step_last_contact: the newest contact of a subscriber, and the newest of the service's own calls.
-- grain: one row per subscriber with a contact
-- key: user_id
-- by: all
-- reads: core.contact, mart.horizon, mart.subscriber_state
-- rule: by arrived_at; of several at one time the greatest contact_id

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
