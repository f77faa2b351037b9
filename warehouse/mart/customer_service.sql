-- mart.customer_service: how customers rated the service of the last months, and how often they complained.
-- grain: one row per customer whose subscribers have contacts or rated work orders in these months
-- key: customer_id
-- entity: customer_id
-- for: build
-- reads: core.contact, core.work_order, mart.horizon, mart.subscriber_state, policy.loyalty, policy.value
-- rule: of the subscribers whose state at D names the customer; contacts by arrived_at, a work order once with its last
--   rating, at that record's op_time; loyalty looks back advocate_months before E, value complaint_months
-- title: Ratings and complaints of customers / 客户评价与投诉
-- columns of core.customer: customer_id
-- column: rating_count: Ratings, for loyalty / 评价次数
-- column: rating_sum: Their sum / 评价合计
-- column: complaint_count: Complaints, for loyalty / 投诉次数（忠诚度）
-- column: value_complaint_count: Complaints, for value / 投诉次数（价值）

with subject as (
    select
        s.user_id, s.customer_id, h.end_at,
        h.end_at - l.advocate_months * interval 1 month as loyalty_from,
        h.end_at - v.complaint_months * interval 1 month as value_from
    from mart.subscriber_state as s
    cross join mart.horizon as h
    inner join policy.loyalty as l on l.source = s.source
    inner join policy.value as v on v.source = s.source
),

rated_order as (
    select
        w.user_id, w.satisfaction, w.op_time,
        row_number() over (partition by w.work_order_id order by w.valid_from desc) as place
    from core.work_order as w
    cross join mart.horizon as h
    where w.satisfaction is not null and w.valid_from < h.end_at
),

fact as (
    select
        user_id, arrived_at as at, satisfaction, case when purpose = 'COMPLAINT' then 1 else 0 end as complaint_count
    from core.contact
    where is_current and (satisfaction is not null or purpose = 'COMPLAINT')
    union all
    select user_id, op_time as at, satisfaction, 0 as complaint_count
    from rated_order
    where place = 1
)

select
    s.customer_id,
    cast(count(case when f.at >= s.loyalty_from then f.satisfaction end) as integer) as rating_count,
    cast(coalesce(sum(case when f.at >= s.loyalty_from then f.satisfaction end), 0) as integer) as rating_sum,
    cast(sum(case when f.at >= s.loyalty_from then f.complaint_count else 0 end) as integer) as complaint_count,
    cast(sum(case when f.at >= s.value_from then f.complaint_count else 0 end) as integer) as value_complaint_count
from fact as f
inner join subject as s on s.user_id = f.user_id
where f.at < s.end_at and f.at >= least(s.loyalty_from, s.value_from)
group by s.customer_id
