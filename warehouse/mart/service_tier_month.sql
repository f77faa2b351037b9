-- mart.service_tier_month: contacts, closed work orders, and usage after a closing, as KPIs count them.
-- grain: one row per subscriber (null: nobody known), month, source and tier (null where it was not open by then)
-- key: user_id, month, source, tier
-- entity: user_id
-- by: part
-- for: build
-- reads: mart.month, policy.kpi, policy.tier, step_activity_month, step_closed_order, step_contact,
--   step_status_month, step_subscriber, step_tier_month
-- rule: what a subscriber did counts for its source and tier of the month; what came before the opening, or from nobody
--   known (with the first part), only for the file's source. Usage of the latter two is not in here, nor that of months in which it was open:
--   subscriber months have it.
-- title: Service by month, source and tier / 按月、省份、客户层次汇总的服务量
-- columns of core.subscriber: user_id
-- columns of mart.month: month
-- column: source: Source by which it counts / 归属省份
-- column: tier: Tier of the month; null before the opening / 当月客户层次
-- column: usage_day_count: Days of subscribers with usage / 用户使用天数
-- column: complaint_count: Complaints / 投诉次数
-- column: rated_count: Complaints that were rated / 有评价的投诉次数
-- column: satisfied_count: Complaints that were rated well enough / 评价满意的投诉次数
-- column: kept_count: Subscribers kept in contacts for retention / 挽留成功次数
-- column: lost_count: Subscribers lost in contacts for retention / 挽留失败次数
-- column: order_count: Work orders closed / 结单数
-- column: on_time_count: Those closed when due or before / 按时结单数

with fact as (
    select
        a.subscriber_no, a.month_index, cast(null as varchar) as source, a.usage_day_count,
        null as purpose, null as satisfaction, null as retention_result, null as is_on_time
    from step_activity_month as a
    left join step_status_month as s on s.subscriber_no = a.subscriber_no and s.month_index = a.month_index
    where a.subscriber_no between $first_no and $last_no and a.usage_day_count > 0 and s.subscriber_no is null
    union all
    select
        subscriber_no, month_index, source, 0 as usage_day_count,
        purpose, satisfaction, retention_result, null as is_on_time
    from step_contact
    where coalesce(subscriber_no, 1) between $first_no and $last_no and purpose in ('COMPLAINT', 'RETENTION')
    union all
    select
        subscriber_no, month_index, source, 0 as usage_day_count,
        null as purpose, null as satisfaction, null as retention_result, is_on_time
    from step_closed_order
    where coalesce(subscriber_no, 1) between $first_no and $last_no
),

placed as (
    select f.*, coalesce(t.source, f.source) as counted_source, t.rank
    from fact as f
    left join step_tier_month as t on t.subscriber_no = f.subscriber_no and t.month_index = f.month_index
    where coalesce(t.source, f.source) is not null
)

select
    n.user_id, m.month, p.counted_source as source, r.tier,
    cast(sum(p.usage_day_count) as bigint) as usage_day_count,
    count(case when p.purpose = 'COMPLAINT' then 1 end) as complaint_count,
    count(case when p.purpose = 'COMPLAINT' then p.satisfaction end) as rated_count,
    count(case when p.purpose = 'COMPLAINT' and p.satisfaction >= k.satisfied_rating then 1 end) as satisfied_count,
    count(case when p.purpose = 'RETENTION' and p.retention_result = 'KEPT' then 1 end) as kept_count,
    count(case when p.purpose = 'RETENTION' and p.retention_result = 'LOST' then 1 end) as lost_count,
    count(p.is_on_time) as order_count,
    count(case when p.is_on_time then 1 end) as on_time_count
from placed as p
inner join mart.month as m on m.month_index = p.month_index
inner join policy.kpi as k on k.source = p.counted_source
left join step_subscriber as n on n.subscriber_no = p.subscriber_no
left join policy.tier as r on r.source = p.counted_source and r.rank = p.rank
group by n.user_id, m.month, p.counted_source, r.tier
