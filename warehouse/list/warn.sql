-- list.warn: the WARN list: whom the retention desk looks after.
-- grain: one row per open subscriber with a warning
-- key: user_id
-- entity: user_id
-- reads: policy.action, step_served
-- rule: action is that of the customer's loyalty class and the subscriber's tier
-- title: WARN list / 离网预警名单
-- columns of core.subscriber: user_id, customer_id, service_number, source
-- columns of mart.tier: tier, arpu3_fen
-- columns of mart.churn_warning: rules, risk, level, evidence
-- columns of policy.action: action

select
    s.user_id, s.customer_id, s.service_number, s.tier, s.rules, s.risk, s.level, s.evidence, s.arpu3_fen,
    a.action, s.source
from step_served as s
left join policy.action as a on a.source = s.source and a.class = s.class and a.tier = s.tier
where s.rules is not null
