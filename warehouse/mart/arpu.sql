-- mart.arpu: the ARPU3 of the last closed month, and of the months before it whose tier still holds.
-- grain: one row per open subscriber and month that has a bill to count; month_offset 0 is the last closed month
-- key: user_id, month_offset
-- entity: user_id
-- for: build
-- reads: core.bill, mart.bill_month, mart.horizon, mart.subscriber_state, policy.arpu_month, policy.held_month
-- rule: ARPU3 of m is the mean of total_fen over those of m, m-1, m-2 that have a bill: total_fen / bill_count,
--   compared as such; arpu3_fen is rounded half up to whole fen
-- title: ARPU of three months / 近三月平均出账收入
-- columns of core.subscriber: user_id
-- column: month_offset: Months before the source's last closed month / 距最近已出账月的月数
-- column: total_fen: Sum of the bills that count, fen / 计入账单应收合计（分）
-- column: bill_count: Bills that count / 计入账单数
-- column: arpu3_fen: ARPU3, mean of those bills, rounded half up, fen / 近三月平均出账金额（分）

with counting as (
    select s.user_id, m.month_index as last_month_index, b.month_index, b.total_fen
    from (
        select
            user_id, total_fen,
            cast(substr(billing_cycle, 1, 4) as integer) * 12 + cast(substr(billing_cycle, 5, 2) as integer) - 1
                as month_index
        from core.bill
        where is_current
    ) as b
    inner join mart.subscriber_state as s on s.user_id = b.user_id and s.status <> '9'
    inner join mart.bill_month as m on m.source = s.source
    cross join mart.horizon as h
    where b.month_index between m.month_index - h.bill_reach and m.month_index
),

summed as (
    select
        c.user_id, held.month_offset,
        cast(sum(c.total_fen) as bigint) as total_fen,
        count(*) as bill_count
    from counting as c
    cross join policy.arpu_month as o
    inner join policy.held_month as held
        on c.month_index + o.month_offset = c.last_month_index - held.month_offset
    group by c.user_id, held.month_offset
)

select
    user_id, month_offset, total_fen, bill_count,
    (2 * total_fen + bill_count) // (2 * bill_count) as arpu3_fen
from summed
