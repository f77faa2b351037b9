-- bi.fact_work_order: work orders in their last known state.
-- grain: one row per work order
-- key: work_order_id
-- reads: core.work_order
-- rule: is_closed_in_time is null until the order is closed. Joins bi.dim_date by opened_date and closed_date,
--   bi.dim_subscriber by user_id (null, or not found, where the subscriber is not known), bi.fact_contact by
--   contact_id, bi.dim_area by source.
-- title: Work orders / 工单事实
-- columns of core.work_order: work_order_id, contact_id, user_id, category, department, priority, opened_at, due_at,
--   status, closed_at, satisfaction, op_time, source, batch_stem, line
-- column: opened_date: Day on which the order was opened / 建单日期
-- column: closed_date: Day on which the order was closed / 结单日期
-- column: is_closed_in_time: Whether closed by its due time / 是否按时结单

select
    work_order_id, contact_id, user_id, category, department, priority,
    cast(opened_at as date) as opened_date,
    opened_at, due_at, status,
    cast(closed_at as date) as closed_date,
    closed_at,
    closed_at <= due_at as is_closed_in_time,
    satisfaction, op_time, source, batch_stem, line
from core.work_order
where is_current
