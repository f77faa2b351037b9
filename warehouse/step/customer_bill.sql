-- step_customer_bill: the bills of a customer's subscribers as its value counts them.
-- grain: one row per customer whose subscribers have bills in these months
-- key: customer_id
-- by: all
-- reads: core.bill, mart.bill_month, mart.customer_state, mart.subscriber_state, policy.history, policy.value
-- rule: months up to the last one that the customer's source has closed, M. spend_fen is the sum of ARPU3 of M, each the
--   mean of a subscriber's bills of M, M-1, M-2: to two places it lies on the right side of every band, for sums of halves
--   and thirds differ by more. Months with a bill are bits, since each counts once.

with span as (
    select
        m.source, m.month_index, h.arpu_months, v.payment_months, v.growth_months, v.clv_months,
        greatest(h.arpu_months, v.payment_months, v.growth_months + 1, v.clv_months) as month_count
    from mart.bill_month as m
    inner join policy.value as v on v.source = m.source
    cross join policy.history as h
),

bill as (
    select
        s.customer_id, s.user_id, b.total_fen, b.outstanding_fen,
        p.arpu_months, p.payment_months, p.growth_months, p.clv_months,
        p.month_index - (
            cast(substr(b.billing_cycle, 1, 4) as integer) * 12 + cast(substr(b.billing_cycle, 5, 2) as integer) - 1
        ) as months_ago,
        p.month_count
    from core.bill as b
    inner join mart.subscriber_state as s on s.user_id = b.user_id
    inner join mart.customer_state as c on c.customer_id = s.customer_id
    inner join span as p on p.source = c.source
    where b.is_current
),

by_subscriber as (
    select
        customer_id, user_id,
        sum(case when months_ago < arpu_months then total_fen end) as arpu_total_fen,
        sum(case when months_ago < arpu_months then 1 else 0 end) as arpu_count,
        sum(case when months_ago = 0 then total_fen else 0 end) as last_fen,
        sum(case when months_ago = growth_months then total_fen else 0 end) as former_fen,
        sum(case when months_ago < payment_months then 1 else 0 end) as bill_count,
        sum(case when months_ago < payment_months and outstanding_fen = 0 then 1 else 0 end) as settled_count,
        sum(case when months_ago < clv_months then total_fen else 0 end) as clv_total_fen,
        bit_or(case when months_ago < clv_months then cast(1 as bigint) << cast(months_ago as integer) else 0 end)
            as clv_months
    from bill
    where months_ago >= 0 and months_ago < month_count
    group by customer_id, user_id
)

select
    customer_id,
    cast(sum(case when arpu_count > 0 then arpu_total_fen / arpu_count else 0 end) as decimal(18, 2)) as spend_fen,
    cast(sum(last_fen) as bigint) as last_fen,
    cast(sum(former_fen) as bigint) as former_fen,
    cast(sum(bill_count) as integer) as bill_count,
    cast(sum(settled_count) as integer) as settled_count,
    cast(sum(clv_total_fen) as bigint) as clv_total_fen,
    cast(bit_count(bit_or(clv_months)) as integer) as clv_month_count
from by_subscriber
group by customer_id
