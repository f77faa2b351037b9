-- step_span: the runs of months in which a subscriber was open at any time, and how long each is its last one.
-- grain: one row per subscriber and run of months without a gap
-- key: subscriber_no, from_month_index
-- reads: step_period, mart.horizon
-- rule: a period that ends at a midnight was not open on the day that begins then. After to_month_index the tier of
--   that month goes on to until_month_index, the month before the next run or the last month of all.

with open_month as (
    select
        subscriber_no,
        valid_from,
        cast(extract(year from from_date) * 12 + extract(month from from_date) - 1 as integer) as from_month_index,
        cast(case
            when valid_to is null then last_month_index
            when valid_to > date_trunc('month', valid_to) or valid_to = valid_from
                then extract(year from to_date) * 12 + extract(month from to_date) - 1
            else extract(year from to_date) * 12 + extract(month from to_date) - 2
        end as integer) as to_month_index,
        last_month_index
    from step_period
    cross join mart.horizon
    where status <> '9'
),

marked as (
    select
        *,
        case
            when from_month_index - 1 <= lag(to_month_index) over (partition by subscriber_no order by valid_from)
                then 0
            else 1
        end as is_start
    from open_month
),

numbered as (
    select *, sum(is_start) over (partition by subscriber_no order by valid_from rows unbounded preceding) as run_number
    from marked
),

run as (
    select
        subscriber_no, run_number, last_month_index,
        min(from_month_index) as from_month_index,
        max(to_month_index) as to_month_index
    from numbered
    group by subscriber_no, run_number, last_month_index
)

select
    subscriber_no,
    from_month_index,
    to_month_index,
    coalesce(lead(from_month_index) over (partition by subscriber_no order by run_number) - 1, last_month_index)
        as until_month_index
from run
