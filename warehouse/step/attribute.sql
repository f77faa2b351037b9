-- step_attribute: which attributes of a subscriber stand for which months.
-- grain: one row per subscriber and run of months for which one period stands
-- key: subscriber_no, from_month_index
-- reads: step_period, mart.horizon
-- rule: for a month stands the last period that begins before its end; for months before the first period, that one

with known as (
    select
        subscriber_no, source, customer_id, product, member_level, open_date,
        extract(year from from_date) * 12 + extract(month from from_date) - 1 as begin_month_index,
        lead(from_date) over (partition by subscriber_no order by valid_from) as next_date,
        row_number() over (partition by subscriber_no order by valid_from) as period_number,
        last_month_index
    from step_period
    cross join mart.horizon
    where not is_before_first
),

standing as (
    select
        subscriber_no, source, customer_id, product, member_level, open_date,
        cast(case when period_number = 1 then 0 else begin_month_index end as integer) as from_month_index,
        cast(coalesce(extract(year from next_date) * 12 + extract(month from next_date) - 2, last_month_index) as integer)
            as to_month_index
    from known
)

select *
from standing
where from_month_index <= to_month_index
