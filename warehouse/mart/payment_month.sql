-- mart.payment_month: what was paid for a subscriber in a month.
-- grain: one row per subscriber and month with a payment that names it
-- key: user_id, month_index
-- reads: core.payment, mart.horizon
-- rule: payments count by paid_at, up to the end of the as-of date; payment_fen is net of refunds (kind 4) and reversals
--   (kind 9), payment_count counts neither

select
    user_id,
    cast(extract(year from paid_at) * 12 + extract(month from paid_at) - 1 as integer) as month_index,
    cast(sum(case when kind in ('4', '9') then 0 else 1 end) as integer) as payment_count,
    cast(sum(amount_fen) as bigint) as payment_fen
from core.payment
cross join mart.horizon
where is_current and user_id is not null and paid_at < end_at
group by user_id, cast(extract(year from paid_at) * 12 + extract(month from paid_at) - 1 as integer)
