-- step_top_up: the largest payment of a subscriber that may make its leaving worth while (rule C3).
-- grain: one row per subscriber with such a payment
-- key: user_id
-- by: all
-- reads: core.payment, mart.horizon, mart.subscriber_state, policy.warning
-- rule: a payment of the kind that the policy names, above its amount, in so many days before E, that no reversal
--   known by E names

with reversed as (
    select r.reversed_payment_id as payment_id
    from core.payment as r
    cross join mart.horizon as h
    where r.is_current and r.reversed_payment_id is not null and r.paid_at < h.end_at
)

select p.user_id, max(p.amount_fen) as amount_fen
from core.payment as p
cross join mart.horizon as h
inner join mart.subscriber_state as s on s.user_id = p.user_id and s.status <> '9'
inner join policy.warning as w
    on w.source = s.source
        and p.kind = w.c3_payment_kind
        and p.amount_fen > w.c3_payment_above_fen
        and p.paid_at >= h.end_at - w.c3_payment_days * interval 1 day
where p.is_current
    and p.paid_at < h.end_at
    and p.payment_id not in (select payment_id from reversed)
group by p.user_id
