-- mart.arpu_month: the bills that the ARPU3 of a month counts.
-- grain: one row per subscriber and month that has such a bill
-- key: subscriber_no, month_index
-- reads: core.bill, mart.horizon, mart.subscriber, mart.subscriber_span, policy.arpu_month
-- rule: ARPU3 of m is the mean of total_fen over those of m, m-1, m-2 that have a bill: total_fen / bill_count, compared
--   as such. Bills from before the horizon matter where a subscriber's last month is from before it.

with known as (
    select
        n.user_id, n.subscriber_no,
        min(least(h.first_month_index, s.to_month_index)) - h.bill_reach as first_bill_month_index,
        h.last_bill_month_index
    from mart.subscriber as n
    cross join mart.horizon as h
    left join mart.subscriber_span as s on s.subscriber_no = n.subscriber_no
    group by n.user_id, n.subscriber_no, h.first_month_index, h.bill_reach, h.last_bill_month_index
),

bill as (
    select
        user_id, total_fen,
        cast(substr(billing_cycle, 1, 4) as integer) * 12 + cast(substr(billing_cycle, 5, 2) as integer) - 1
            as month_index
    from core.bill
    where is_current
),

counting as (
    select known.subscriber_no, bill.month_index, bill.total_fen
    from bill
    inner join known on known.user_id = bill.user_id
    where bill.month_index between known.first_bill_month_index and known.last_bill_month_index
)

select
    c.subscriber_no,
    cast(c.month_index + o.month_offset as integer) as month_index,
    cast(sum(c.total_fen) as bigint) as total_fen,
    cast(count(*) as integer) as bill_count
from counting as c
cross join policy.arpu_month as o
group by c.subscriber_no, c.month_index + o.month_offset
