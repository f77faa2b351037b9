-- list.work: the WORK list: follow-ups for the work-order system to open.
-- grain: one row per follow-up
-- key: category, source_ref
-- entity: user_id
-- reads: core.contact, core.work_order_priority, mart.horizon, mart.work_order_state, policy.code,
--   policy.service_level, policy.work_order, step_served
-- rule: RETENTION for an open subscriber with a warning of the levels that the policy names, unless one is under way;
--   COMPLAINT for a complaint of the last days of which no work order is known. Due so many seconds, by the tier,
--   after the end of the as-of date, a complaint after it came in. Priority is that of the tier, at most the least
--   urgent that there is.
-- title: WORK list / 待派工单
-- columns of core.subscriber: user_id, source
-- columns of core.work_order: category, priority, due_at
-- column: reason: Why / 派单原因
-- column: source_ref: The warning or the contact that it follows / 来源编号

with under_way as (
    select user_id
    from mart.work_order_state
    where category = 'RETENTION' and status <> 'CLOSED' and user_id is not null
),

answered as (
    select contact_id
    from mart.work_order_state
    where contact_id is not null
),

follow_up as (
    select
        s.user_id, s.source, s.tier, 'RETENTION' as category, s.rules as reason,
        'WARN-' || strftime(h.as_of, '%Y%m%d') || '-' || s.user_id as source_ref,
        h.end_at as since
    from step_served as s
    cross join mart.horizon as h
    inner join policy.code as p
        on p.source = s.source and p.name = 'work_orders.retention_levels' and p.code = s.level
    where s.user_id not in (select user_id from under_way)
    union all
    select
        s.user_id, s.source, s.tier, 'COMPLAINT' as category,
        'complaint ' || strftime(c.arrived_at, '%Y%m%d%H%M%S') as reason,
        c.contact_id as source_ref, c.arrived_at as since
    from core.contact as c
    cross join mart.horizon as h
    inner join step_served as s on s.user_id = c.user_id
    inner join policy.work_order as p on p.source = s.source
    where c.is_current and c.purpose = 'COMPLAINT' and c.work_order_id is null
        and c.arrived_at < h.end_at and c.arrived_at >= h.end_at - p.complaint_days * interval 1 day
        and c.contact_id not in (select contact_id from answered)
),

last_priority as (
    select max(code) as code
    from core.work_order_priority
)

select
    f.user_id, f.category,
    coalesce(p.code, last_priority.code) as priority,
    f.since + l.work_order_due_s * interval 1 second as due_at,
    f.reason, f.source_ref, f.source
from follow_up as f
inner join policy.service_level as l on l.source = f.source and l.tier = f.tier
cross join last_priority
left join core.work_order_priority as p on p.code = cast(l.priority as varchar)
