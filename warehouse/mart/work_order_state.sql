-- mart.work_order_state: the state of every work order at the as-of date.
-- grain: one row per work order that is known then
-- key: work_order_id
-- for: build
-- reads: core.work_order, mart.horizon
-- rule: the state at D is the period that begins before E and does not end before it
-- title: Work orders at the as-of date / 统计日工单
-- columns of core.work_order: work_order_id, source, contact_id, user_id, category, department, priority, opened_at,
--   due_at, status, closed_at, satisfaction

select
    w.work_order_id, w.source, w.contact_id, w.user_id, w.category, w.department, w.priority, w.opened_at, w.due_at,
    w.status, w.closed_at, w.satisfaction
from core.work_order as w
cross join mart.horizon as h
where w.valid_from < h.end_at
    and (w.valid_to is null or w.valid_to >= h.end_at)
