-- step_status_month: when in a month a subscriber was open, and in which status.
-- grain: one row per subscriber and month in which it was open at any time or closed
-- key: subscriber_no, month_index
-- reads: mart.month, mart.horizon, step_closing, step_period
-- rule: a day counts for the status at its end, days after the as-of date for none; open at the start of a month is open
--   at the last day of the month before; a month in which it was closed throughout has no row

with period as (
    select
        *,
        extract(year from from_date) * 12 + extract(month from from_date) - 1 as from_month_index,
        coalesce(extract(year from to_date) * 12 + extract(month from to_date) - 1, last_month_index) as to_month_index
    from step_period
    cross join mart.horizon
),

part as (
    select
        p.subscriber_no, m.month_index, p.status, p.status <> '9' as is_open,
        p.from_date < m.first_date and (p.to_date is null or p.to_date >= m.first_date) as is_at_start,
        p.from_date < m.next_date and (p.to_date is null or p.to_date >= m.next_date) as is_at_end,
        greatest(
            least(coalesce(p.to_date, m.next_date), m.next_date, p.as_of + 1) - greatest(p.from_date, m.first_date), 0
        ) as day_count
    from period as p
    inner join mart.month as m
        on m.month_index between p.from_month_index and p.to_month_index
            and (p.status <> '9' or m.month_index = p.from_month_index or m.month_index = p.to_month_index)
),

closed as (
    select
        subscriber_no,
        extract(year from closing_date) * 12 + extract(month from closing_date) - 1 as month_index,
        count(*) as closing_count
    from step_closing
    group by subscriber_no, extract(year from closing_date) * 12 + extract(month from closing_date) - 1
),

summed as (
    select
        subscriber_no, month_index,
        bool_or(is_open and is_at_start) as is_open_at_start,
        bool_or(is_open and is_at_end) as is_open_at_end,
        sum(case when status = '1' then day_count else 0 end) as active_days,
        sum(case when status = '2' then day_count else 0 end) as suspended_days,
        sum(case when status = '3' then day_count else 0 end) as barred_outgoing_days,
        sum(case when status = '4' then day_count else 0 end) as barred_days,
        sum(case when status = '9' then day_count else 0 end) as closed_days
    from part
    group by subscriber_no, month_index
    having bool_or(is_open)
)

select
    summed.subscriber_no, summed.month_index, summed.is_open_at_start, summed.is_open_at_end,
    cast(coalesce(closed.closing_count, 0) as integer) as closing_count,
    cast(summed.active_days as integer) as active_days,
    cast(summed.suspended_days as integer) as suspended_days,
    cast(summed.barred_outgoing_days as integer) as barred_outgoing_days,
    cast(summed.barred_days as integer) as barred_days,
    cast(summed.closed_days as integer) as closed_days
from summed
left join closed on closed.subscriber_no = summed.subscriber_no and closed.month_index = summed.month_index
