-- step_closed_order: the work orders that were closed, as KPIs count them.
-- grain: one row per work order that was closed in a month of the horizon
-- key: none
-- by: all
-- reads: mart.horizon, mart.work_order_state, step_number
-- rule: of all parts at once; by the state at the as-of date and by closed_at, up to the end of that date.
--   subscriber_no is null where the subscriber is not known; source is that of the file

with closed as (
    select
        w.user_id, w.source, w.closed_at <= w.due_at as is_on_time,
        cast(extract(year from w.closed_at) * 12 + extract(month from w.closed_at) - 1 as integer) as month_index
    from mart.work_order_state as w
    inner join mart.horizon as h on w.closed_at < h.end_at
)

select n.subscriber_no, c.month_index, c.source, c.is_on_time
from closed as c
inner join mart.horizon as h on c.month_index >= h.first_month_index
left join step_number as n on n.user_id = c.user_id
