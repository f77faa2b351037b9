-- step_closing: the days on which subscribers closed.
-- grain: one row per subscriber and day on which a run of its open periods ended
-- key: subscriber_no, closing_date
-- reads: step_period
-- rule: a run ends by status 9 (on close_date where the first period has it), by a record D, or by absence from a
--   complete snapshot; is_by_status tells the first from the others

with followed as (
    select
        subscriber_no, status, close_date, valid_to, to_date, is_before_first,
        lead(valid_from) over (partition by subscriber_no order by valid_from, is_before_first desc) as next_from,
        lead(status) over (partition by subscriber_no order by valid_from, is_before_first desc) as next_status
    from step_period
),

closing as (
    select
        subscriber_no,
        case when is_before_first then close_date else to_date end as closing_date,
        coalesce(next_status = '9' and (next_from = valid_to or is_before_first), false) as is_by_status
    from followed
    where status <> '9'
        and valid_to is not null
        and (next_from is null or next_from > valid_to or next_status = '9')
)

select subscriber_no, closing_date, bool_or(is_by_status) as is_by_status
from closing
group by subscriber_no, closing_date
