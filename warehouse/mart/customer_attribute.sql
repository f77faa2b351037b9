-- mart.customer_attribute: for which months a customer's type or blacklisting bears on the tiers of its subscribers.
-- grain: one row per customer and run of months for which one such period stands
-- key: customer_id, from_month_index
-- entity: customer_id
-- for: build
-- reads: core.customer, mart.horizon, policy.code
-- rule: for a month stands the last period that begins before its end; before the first period nothing is known
-- title: Customers' types and blacklisting by month / 客户类型与黑名单（按月）
-- columns of core.customer: customer_id, customer_type
-- column: is_blacklisted: Whether the customer is blacklisted / 是否黑名单客户
-- column: from_month_index: First month, in months since year 0 / 起始月序号
-- column: to_month_index: Last month, in months since year 0 / 截止月序号

with group_type as (
    select distinct code
    from policy.code
    where name = 'tiering.group_types'
),

known as (
    select
        customer_id, customer_type, blacklisted, last_month_index,
        extract(year from valid_from) * 12 + extract(month from valid_from) - 1 as from_month_index,
        lead(valid_from) over (partition by customer_id order by valid_from) as next_from
    from core.customer
    cross join mart.horizon
    where valid_from < end_at
),

standing as (
    select
        customer_id, customer_type,
        blacklisted = 'Y' as is_blacklisted,
        cast(from_month_index as integer) as from_month_index,
        cast(coalesce(
            extract(year from next_from) * 12 + extract(month from next_from) - 2, last_month_index
        ) as integer) as to_month_index
    from known
    where blacklisted = 'Y'
        or customer_type in (select code from group_type)
)

select *
from standing
where from_month_index <= to_month_index
