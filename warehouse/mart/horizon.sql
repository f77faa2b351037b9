-- mart.horizon: how far the models look: up to the end of the as-of date (E), and over which months.
-- grain: one row
-- key: none
-- reads: mart.bill_month, policy.history
-- rule: E is the midnight after $as_of, Asia/Shanghai; KPIs reach kpi_months back from the last closed month. A month's
--   index counts months from year 0, so that months can be subtracted. Bills of a month that is not over do not count;
--   the first month takes those of some months before it (bill_reach: its ARPU3, and that of months whose tier holds).
-- title: Horizon of the models / 统计范围
-- column: as_of: As-of date / 统计日
-- column: end_at: Its end, exclusive / 统计日截止时间
-- column: first_month_index: First month, in months since year 0 / 首个统计月序号
-- column: last_month_index: Last month, in months since year 0 / 最后统计月序号
-- column: last_bill_month_index: Last month whose bills count, in months since year 0 / 最后计账月序号
-- column: bill_reach: Months before the first one whose bills count too / 追溯账单月数

with today as (
    select
        cast($as_of as date) as as_of,
        cast($as_of as timestamp) + interval 1 day as end_at,
        cast(extract(year from cast($as_of as date)) * 12 + extract(month from cast($as_of as date)) - 1 as integer)
            as month_index
),

closed as (
    select min(month_index) as first_month_index, max(month_index) as last_month_index
    from mart.bill_month
)

select
    today.as_of,
    today.end_at,
    cast(coalesce(closed.first_month_index, today.month_index - 1) - h.kpi_months as integer) as first_month_index,
    greatest(today.month_index, coalesce(closed.last_month_index, 0)) as last_month_index,
    greatest(today.month_index - 1, coalesce(closed.last_month_index, 0)) as last_bill_month_index,
    cast(h.held_months - 1 + h.arpu_months - 1 as integer) as bill_reach
from today
cross join closed
cross join policy.history as h
