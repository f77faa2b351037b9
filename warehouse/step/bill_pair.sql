-- step_bill_pair: what an open subscriber was billed for the last closed month and for the one before.
-- grain: one row per open subscriber with a bill of either
-- key: user_id
-- by: all
-- reads: core.bill, mart.bill_month, mart.subscriber_state
-- rule: null where there is no bill

with closed as (
    select
        source, bill_month,
        cast((month_index - 1) // 12 * 100 + (month_index - 1) % 12 + 1 as varchar) as former_month
    from mart.bill_month
)

select
    s.user_id, c.bill_month, c.former_month,
    max(case when b.billing_cycle = c.bill_month then b.total_fen end) as total_fen,
    max(case when b.billing_cycle = c.former_month then b.total_fen end) as former_fen
from mart.subscriber_state as s
inner join closed as c on c.source = s.source
inner join core.bill as b on b.user_id = s.user_id and b.billing_cycle in (c.bill_month, c.former_month)
where b.is_current and s.status <> '9'
group by s.user_id, c.bill_month, c.former_month
