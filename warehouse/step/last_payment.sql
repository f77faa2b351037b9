-- step_last_payment: the newest payment of a subscriber.
-- grain: one row per subscriber with a payment
-- key: user_id
-- by: all
-- reads: core.payment, mart.horizon, mart.subscriber_state
-- rule: refunds (kind 4) and reversals (9) are none, nor are payments that a reversal known by E names; of several at
--   one time the greatest payment_id

with reversed as (
    select r.reversed_payment_id as payment_id
    from core.payment as r
    cross join mart.horizon as h
    where r.is_current and r.reversed_payment_id is not null and r.paid_at < h.end_at
)

select
    p.user_id,
    max(p.paid_at) as paid_at,
    max_by(p.amount_fen, {'paid_at': p.paid_at, 'payment_id': p.payment_id}) as amount_fen
from core.payment as p
inner join mart.subscriber_state as s on s.user_id = p.user_id
cross join mart.horizon as h
where p.is_current and p.paid_at < h.end_at and p.kind not in ('4', '9')
    and p.payment_id not in (select payment_id from reversed)
group by p.user_id
