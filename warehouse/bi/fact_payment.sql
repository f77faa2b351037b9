-- bi.fact_payment: payments, refunds and reversals.
-- grain: one row per payment
-- key: payment_id
-- reads: core.payment
-- rule: amounts in fen, below zero for refunds and reversals, so that a sum is net. Joins bi.dim_date by paid_date,
--   bi.dim_subscriber by user_id (null, or not found, where the subscriber is not known), bi.dim_area by source.
-- title: Payments / 缴费事实
-- columns of core.payment: payment_id, account_id, user_id, service_number, paid_at, amount_fen, kind, method, channel,
--   reversed_payment_id, billing_cycle, balance_after_fen, operator_id, source, batch_stem, line
-- column: paid_date: Day of the payment / 缴费日期

select
    payment_id, account_id, user_id, service_number,
    cast(paid_at as date) as paid_date,
    paid_at, amount_fen, kind, method, channel, reversed_payment_id, billing_cycle, balance_after_fen, operator_id,
    source, batch_stem, line
from core.payment
where is_current
