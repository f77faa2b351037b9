-- bi.fact_contact: contacts of customers with the service.
-- grain: one row per contact
-- key: contact_id
-- reads: core.contact
-- rule: wait_s and talk_s are null where nobody answered. Joins bi.dim_date by arrived_date, bi.dim_subscriber by
--   user_id (null, or not found, where the subscriber is not known), bi.dim_tier by tier_served, bi.fact_work_order by
--   work_order_id, bi.dim_area by source.
-- title: Service contacts / 服务接触事实
-- columns of core.contact: contact_id, user_id, service_number, channel, skill_group, tier_served, arrived_at,
--   queued_at, answered_at, ended_at, outcome, purpose, work_order_id, satisfaction, agent_id, retention_result,
--   source, batch_stem, line
-- column: arrived_date: Day on which the contact arrived / 接触日期
-- column: wait_s: From queue to answer, seconds / 排队等待时长（秒）
-- column: talk_s: From answer to end, seconds / 通话处理时长（秒）

select
    contact_id, user_id, service_number, channel, skill_group, tier_served,
    cast(arrived_at as date) as arrived_date,
    arrived_at, queued_at, answered_at, ended_at,
    date_diff('second', queued_at, answered_at) as wait_s,
    date_diff('second', answered_at, ended_at) as talk_s,
    outcome, purpose, work_order_id, satisfaction, agent_id, retention_result, source, batch_stem, line
from core.contact
where is_current
