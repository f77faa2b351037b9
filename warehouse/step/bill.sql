-- step_bill: the bills that count.
-- grain: one row per subscriber and month that has a bill
-- key: subscriber_no, month_index
-- reads: core.bill, mart.horizon, step_span, step_subscriber
-- rule: only current rows, and only of months that are over; those from before the horizon only as far as the tier of
--   its first month, or of a subscriber's last month before it, rests on them

with known as (
    select
        n.user_id, n.subscriber_no,
        min(least(h.first_month_index, s.to_month_index)) - h.bill_reach as first_bill_month_index,
        h.last_bill_month_index
    from step_subscriber as n
    cross join mart.horizon as h
    left join step_span as s on s.subscriber_no = n.subscriber_no
    group by n.user_id, n.subscriber_no, h.first_month_index, h.bill_reach, h.last_bill_month_index
),

bill as (
    select
        *,
        cast(substr(billing_cycle, 1, 4) as integer) * 12 + cast(substr(billing_cycle, 5, 2) as integer) - 1
            as month_index
    from core.bill
    where is_current
)

select
    known.subscriber_no, bill.month_index, bill.source,
    bill.total_fen, bill.rental_fen, bill.voice_fen, bill.long_distance_fen, bill.roaming_fen, bill.message_fen,
    bill.data_fen, bill.value_added_fen, bill.other_fen, bill.discount_fen, bill.paid_fen, bill.outstanding_fen
from bill
inner join known on known.user_id = bill.user_id
where bill.month_index between known.first_bill_month_index and known.last_bill_month_index
