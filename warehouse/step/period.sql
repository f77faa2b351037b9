-- step_period: what is known at the as-of date of a subscriber's history, and the days before it.
-- grain: one row per period of a subscriber that begins before E, and one for the days before the first of them
-- key: subscriber_no, valid_from, is_before_first
-- reads: core.subscriber, mart.horizon, step_subscriber
-- rule: a later end is not known yet, so it is left out. Before its first period a subscriber counts as open from
--   open_date on with the attributes of that period; where that has status 9, until close_date and as active.
--   from_date and to_date are the half-open days on which the period is the state at the end of the day.

with known as (
    select
        n.subscriber_no, s.source, s.customer_id, s.product, s.member_level, s.status, s.open_date, s.close_date,
        s.valid_from,
        case when s.valid_to < h.end_at then s.valid_to end as valid_to,
        row_number() over (partition by n.subscriber_no order by s.valid_from) as period_number
    from core.subscriber as s
    inner join step_subscriber as n on n.user_id = s.user_id
    cross join mart.horizon as h
    where s.valid_from < h.end_at
),

before_first as (
    select
        subscriber_no, source, customer_id, product, member_level,
        case when status = '9' then '1' else status end as status,
        open_date,
        case when status = '9' then close_date end as close_date,
        cast(open_date as timestamp) as valid_from,
        case
            when status = '9' then cast(least(close_date, cast(valid_from as date)) as timestamp)
            else valid_from
        end as valid_to
    from known
    where period_number = 1
        and (open_date < cast(valid_from as date) or (status = '9' and open_date = cast(valid_from as date)))
),

every_period as (
    select
        subscriber_no, source, customer_id, product, member_level, status, open_date, close_date, valid_from, valid_to,
        false as is_before_first
    from known
    union all
    select *, true as is_before_first
    from before_first
)

select
    *,
    cast(valid_from as date) as from_date,
    cast(valid_to as date) as to_date
from every_period
