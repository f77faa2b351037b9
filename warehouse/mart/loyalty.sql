-- mart.loyalty: the loyalty class of every customer, and what is done for it.
-- grain: one row per customer that is not deleted
-- key: customer_id
-- entity: customer_id
-- reads: mart.customer_holding, mart.customer_service, mart.horizon, policy.action, policy.loyalty,
--   step_active_customer
-- rule: the first class that holds, in the order of the case below; a date minus months that does not exist is the last
--   day of its month. Service, action and advice are those of the class and the tier of the best subscriber.
-- title: Loyalty classes / 客户忠诚度
-- columns of core.customer: customer_id, source
-- column: class: Loyalty class / 忠诚度类别
-- columns of mart.customer_holding: tier
-- columns of policy.action: service, action, advice

with known as (
    select
        c.customer_id, c.source, c.tier, c.subscriber_count, c.open_count, c.is_at_risk,
        c.first_open_date > h.as_of - l.new_months * interval 1 month as is_new,
        a.customer_id is not null as is_active,
        c.has_core_tier and c.first_open_date <= h.as_of - l.core_months * interval 1 month as is_core,
        coalesce(
            s.rating_count >= l.advocate_ratings
            and s.rating_sum >= l.advocate_mean_rating * s.rating_count
            and s.complaint_count = 0,
            false
        ) as is_content
    from mart.customer_holding as c
    cross join mart.horizon as h
    inner join policy.loyalty as l on l.source = c.source
    left join step_active_customer as a on a.customer_id = c.customer_id
    left join mart.customer_service as s on s.customer_id = c.customer_id
),

classed as (
    select
        customer_id, source, tier,
        case
            when subscriber_count = 0 then 'PROSPECT'
            when open_count = 0 then 'LOST'
            when is_at_risk then 'AT_RISK'
            when is_new then 'NEW'
            when not is_active then 'INACTIVE'
            when is_core and is_content then 'ADVOCATE'
            when is_core then 'CORE'
            else 'REGULAR'
        end as class
    from known
)

select c.customer_id, c.source, c.class, c.tier, a.service, a.action, a.advice
from classed as c
inner join policy.action as a on a.source = c.source and a.class = c.class and a.tier = c.tier
