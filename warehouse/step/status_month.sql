-- step_status_month: when in a month a subscriber was open, and in which status.
-- grain: one row per subscriber and month in which it was open at any time or closed
-- key: subscriber_no, month_index
-- reads: mart.month, mart.horizon, step_closing, step_period
-- rule: a day counts for the status at its end, days after the as-of date for none; open at the start of a month is
--   open at the last day of the month before; a month in which it was closed throughout has no row, unless it is that
--   of the close_date, which may come after the first period that says so

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
        p.from_date < m.first_date as is_at_start,
        coalesce(p.to_date >= m.next_date, true) as is_at_end,
        p.from_date < m.first_date and coalesce(p.to_date >= m.next_date, true) as is_whole,
        cast(greatest(
            date_diff(
                'day',
                greatest(p.from_date, m.first_date),
                least(coalesce(p.to_date, m.next_date), m.next_date, p.as_of + 1)
            ), 0
        ) as integer) as day_count
    from period as p
    inner join mart.month as m
        on m.month_index between p.from_month_index and p.to_month_index
            and (p.status <> '9' or m.month_index = p.from_month_index or m.month_index = p.to_month_index)
),

closed as (
    select c.subscriber_no, m.month_index, count(*) as closing_count
    from step_closing as c
    inner join mart.month as m on c.closing_date >= m.first_date and c.closing_date < m.next_date
    group by c.subscriber_no, m.month_index
),

-- A period that covers a month is the only one in it; most do, and need no summing up.
summed as (
    select
        subscriber_no, month_index, true as is_open_at_start, true as is_open_at_end, 0 as closing_count,
        case when status = '1' then day_count else 0 end as active_days,
        case when status = '2' then day_count else 0 end as suspended_days,
        case when status = '3' then day_count else 0 end as barred_outgoing_days,
        case when status = '4' then day_count else 0 end as barred_days,
        0 as closed_days
    from part
    where is_whole and is_open
    union all
    select
        coalesce(part.subscriber_no, closed.subscriber_no) as subscriber_no,
        coalesce(part.month_index, closed.month_index) as month_index,
        coalesce(bool_or(part.is_open and part.is_at_start), false) as is_open_at_start,
        coalesce(bool_or(part.is_open and part.is_at_end), false) as is_open_at_end,
        coalesce(max(closed.closing_count), 0) as closing_count,
        sum(case when part.status = '1' then part.day_count else 0 end) as active_days,
        sum(case when part.status = '2' then part.day_count else 0 end) as suspended_days,
        sum(case when part.status = '3' then part.day_count else 0 end) as barred_outgoing_days,
        sum(case when part.status = '4' then part.day_count else 0 end) as barred_days,
        sum(case when part.status = '9' then part.day_count else 0 end) as closed_days
    from part
    full join closed on closed.subscriber_no = part.subscriber_no and closed.month_index = part.month_index
    where coalesce(not part.is_whole, true)
    group by coalesce(part.subscriber_no, closed.subscriber_no), coalesce(part.month_index, closed.month_index)
    having bool_or(part.is_open) or max(closed.closing_count) > 0
)

select
    subscriber_no, month_index, is_open_at_start, is_open_at_end,
    cast(closing_count as integer) as closing_count,
    cast(active_days as integer) as active_days,
    cast(suspended_days as integer) as suspended_days,
    cast(barred_outgoing_days as integer) as barred_outgoing_days,
    cast(barred_days as integer) as barred_days,
    cast(closed_days as integer) as closed_days
from summed
