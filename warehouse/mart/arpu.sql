-- mart.arpu: the ARPU3 of the last closed month, and of the months before it whose tier still holds.
-- grain: one row per open subscriber and month that has a bill to count; month_offset 0 is the last closed month
-- key: user_id, month_offset
-- entity: user_id
-- by: part
-- for: build
-- reads: mart.bill_month, mart.subscriber_state, policy.held_month, step_arpu_month, step_subscriber
-- rule: ARPU3 of m is the mean of total_fen over those of m, m-1, m-2 that have a bill: total_fen / bill_count,
--   compared as such; arpu3_fen is rounded half up to whole fen
-- title: ARPU of three months / 近三月平均出账收入
-- columns of core.subscriber: user_id
-- column: month_offset: Months before the source's last closed month / 距最近已出账月的月数
-- column: total_fen: Sum of the bills that count, fen / 计入账单应收合计（分）
-- column: bill_count: Bills that count / 计入账单数
-- column: arpu3_fen: ARPU3, mean of those bills, rounded half up, fen / 近三月平均出账金额（分）

select
    n.user_id, h.month_offset, a.total_fen,
    cast(a.bill_count as bigint) as bill_count,
    (2 * a.total_fen + a.bill_count) // (2 * a.bill_count) as arpu3_fen
from step_subscriber as n
inner join mart.subscriber_state as s on s.user_id = n.user_id and s.status <> '9'
inner join mart.bill_month as m on m.source = s.source
cross join policy.held_month as h
inner join step_arpu_month as a
    on a.subscriber_no = n.subscriber_no and a.month_index = m.month_index - h.month_offset
