-- list.call: the CALL list: whom the dialler calls.
-- grain: one row per subscriber that is called
-- key: user_id
-- entity: user_id
-- reads: mart.call_choice, policy.call, policy.service_level, step_served
-- rule: at most one campaign a subscriber; priority is that of the tier; hours are local time
-- title: CALL list / 外呼名单
-- columns of core.subscriber: customer_id, user_id, service_number, source
-- columns of mart.call_choice: campaign, reason, script_code
-- columns of mart.tier: tier
-- columns of policy.service_level: priority
-- columns of policy.call: not_before, not_after

select
    c.campaign, s.customer_id, s.user_id, s.service_number, s.tier, l.priority, k.not_before, k.not_after, c.reason,
    c.script_code, s.source
from mart.call_choice as c
inner join step_served as s on s.user_id = c.user_id
inner join policy.call as k on k.source = s.source
inner join policy.service_level as l on l.source = s.source and l.tier = s.tier
where c.cause is null
