-- mart.stray_bill: bills of months in which their subscriber was not open.
-- grain: one row per bill of a known subscriber that has no subscriber month
-- key: user_id, month
-- entity: user_id
-- by: part
-- for: build
-- reads: mart.month, policy.tier, step_bill, step_status_month, step_subscriber, step_tier_month
-- rule: KPIs count a bill for its subscriber's source and tier of the month, after a closing for the last tier; before
--   the opening only for its file's source
-- title: Bills outside the time in service / 非在网期账单
-- columns of core.subscriber: user_id
-- columns of mart.month: month
-- columns of core.bill: total_fen, outstanding_fen
-- column: source: Source by which the bill counts / 归属省份
-- column: tier: Last tier before the closing; null before the opening / 离网前客户层次

with stray as (
    select b.subscriber_no, b.month_index, b.source, b.total_fen, b.outstanding_fen
    from step_bill as b
    left join step_status_month as s on s.subscriber_no = b.subscriber_no and s.month_index = b.month_index
    where s.subscriber_no is null
)

select
    n.user_id, m.month, coalesce(t.source, b.source) as source, r.tier, b.total_fen, b.outstanding_fen
from stray as b
inner join step_subscriber as n on n.subscriber_no = b.subscriber_no
inner join mart.month as m on m.month_index = b.month_index
left join step_tier_month as t on t.subscriber_no = b.subscriber_no and t.month_index = b.month_index
left join policy.tier as r on r.source = t.source and r.rank = t.rank
