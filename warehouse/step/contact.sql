-- step_contact: the contacts that KPIs count.
-- grain: one row per contact of a month of the horizon
-- key: none
-- by: all
-- reads: core.contact, mart.horizon, step_number
-- rule: of all parts at once; contacts count by arrived_at, up to the end of the as-of date. subscriber_no is null where
--   the subscriber is not known; source is that of the file

with contact as (
    select
        c.user_id, c.source, c.channel, c.tier_served, c.outcome, c.purpose, c.satisfaction, c.retention_result,
        cast(extract(year from c.arrived_at) * 12 + extract(month from c.arrived_at) - 1 as integer) as month_index,
        date_diff('second', c.queued_at, c.answered_at) as wait_s
    from core.contact as c
    inner join mart.horizon as h on c.arrived_at < h.end_at
    where c.is_current
)

select
    n.subscriber_no, c.month_index, c.source, c.channel, c.tier_served, c.outcome, c.purpose, c.satisfaction,
    c.retention_result, c.wait_s
from contact as c
inner join mart.horizon as h on c.month_index >= h.first_month_index
left join step_number as n on n.user_id = c.user_id
