-- mart.contact_month: how often a subscriber was in contact with the service in a month.
-- grain: one row per subscriber and month with a contact that names it
-- key: user_id, month_index
-- reads: core.contact, mart.horizon
-- rule: contacts count by arrived_at, up to the end of the as-of date

select
    user_id,
    cast(extract(year from arrived_at) * 12 + extract(month from arrived_at) - 1 as integer) as month_index,
    cast(count(*) as integer) as contact_count,
    cast(sum(case when purpose = 'COMPLAINT' then 1 else 0 end) as integer) as complaint_count
from core.contact
cross join mart.horizon
where is_current and user_id is not null and arrived_at < end_at
group by user_id, cast(extract(year from arrived_at) * 12 + extract(month from arrived_at) - 1 as integer)
