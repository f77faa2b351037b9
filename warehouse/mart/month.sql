-- mart.month: the months that the models work out, with their first days.
-- grain: one row per month, from the first that a KPI needs to that of the as-of date
-- key: month
-- reads: mart.horizon
-- rule: months are text YYYYMM; dates are days in Asia/Shanghai
-- title: Months / 统计月
-- column: month: Month, YYYYMM / 月份（YYYYMM）
-- column: month_index: The same in months since year 0 / 月份序号
-- column: first_date: First day / 当月首日
-- column: next_date: First day of the next month / 次月首日

with numbered as (
    select unnest(generate_series(first_month_index, last_month_index)) as month_index
    from mart.horizon
),

dated as (
    select
        month_index,
        cast(month_index // 12 as integer) as year_number,
        cast(month_index % 12 + 1 as integer) as month_number
    from numbered
)

select
    cast(year_number * 100 + month_number as varchar) as month,
    cast(month_index as integer) as month_index,
    make_date(year_number, month_number, 1) as first_date,
    cast(make_date(year_number, month_number, 1) + interval 1 month as date) as next_date
from dated
