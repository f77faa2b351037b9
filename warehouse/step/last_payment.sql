-- step_last_payment: the newest payment of a subscriber.
-- grain: one row per subscriber with a payment
-- key: user_id
-- by: all
-- reads: core.payment, mart.horizon, mart.subscriber_state
-- rule: refunds (kind 4) and reversals (9) are none; of several at one time the greatest payment_id

select
    p.user_id,
    max(p.paid_at) as paid_at,
    max_by(p.amount_fen, {'paid_at': p.paid_at, 'payment_id': p.payment_id}) as amount_fen
from core.payment as p
inner join mart.subscriber_state as s on s.user_id = p.user_id
cross join mart.horizon as h
where p.is_current and p.paid_at < h.end_at and p.kind not in ('4', '9')
group by p.user_id
