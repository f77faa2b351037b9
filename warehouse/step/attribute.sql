-- step_attribute: which attributes of a subscriber stand for which months.
-- grain: one row per subscriber and run of months for which one period stands
-- key: subscriber_no, from_month_index
-- reads: mart.horizon, step_period
-- rule: for a month stands the last period that begins before its end; for months before the first period, that one.
--   Tenure is counted in whole months from first_whole_month_index on, the month of the first day 1 since open_date.

with known as (
    select
        p.subscriber_no, p.source, p.customer_id, p.product, p.member_level, p.open_date, h.last_month_index,
        extract(year from p.from_date) * 12 + extract(month from p.from_date) - 1 as begin_month_index,
        lead(p.from_date) over (partition by p.subscriber_no order by p.valid_from) as next_date,
        row_number() over (partition by p.subscriber_no order by p.valid_from) as period_number
    from step_period as p
    cross join mart.horizon as h
    where not p.is_before_first
),

standing as (
    select
        subscriber_no, source, customer_id, product, member_level, open_date,
        cast(extract(year from open_date) * 12 + extract(month from open_date) - 1 as integer) as open_month_index,
        cast(case when period_number = 1 then 0 else begin_month_index end as integer) as from_month_index,
        cast(coalesce(
            extract(year from next_date) * 12 + extract(month from next_date) - 2, last_month_index
        ) as integer) as to_month_index
    from known
)

select
    *,
    open_month_index + case when extract(day from open_date) > 1 then 1 else 0 end as first_whole_month_index
from standing
where from_month_index <= to_month_index
