-- mart.subscriber_opening: in which month subscribers were opened.
-- grain: one row per subscriber and month in which the open_date lies that stands for that month
-- key: subscriber_no, month_index
-- reads: step_attribute
-- rule: a subscriber counts as new in the month of its open_date, by the last period that begins before the month's end

with opened as (
    select
        subscriber_no, source, open_date, from_month_index, to_month_index,
        cast(extract(year from open_date) * 12 + extract(month from open_date) - 1 as integer) as month_index
    from step_attribute
)

select subscriber_no, month_index, source, open_date
from opened
where month_index between from_month_index and to_month_index
