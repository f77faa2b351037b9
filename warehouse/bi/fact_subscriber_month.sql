-- bi.fact_subscriber_month: everything about a subscriber in a month, as of the as-of date of the published state.
-- grain: one row per subscriber and month in which it was open at any time or closed
-- key: user_id, month
-- reads: mart.month, mart.subscriber_month
-- rule: money in fen, null without a bill. Joins bi.dim_date by month_date, bi.dim_subscriber by user_id,
--   bi.dim_customer by customer_id, bi.dim_product by product, bi.dim_tier by tier, bi.dim_area by source.
-- title: Subscriber months / 用户月事实
-- columns of mart.subscriber_month: user_id, month, source, tier, customer_id, product, open_date, tenure_months,
--   is_open_at_start, is_open_at_end, closing_count, active_days, suspended_days, barred_outgoing_days, barred_days,
--   closed_days, arpu3_fen, total_fen, rental_fen, voice_fen, long_distance_fen, roaming_fen, message_fen, data_fen,
--   value_added_fen, other_fen, discount_fen, paid_fen, outstanding_fen, usage_day_count, voice_minutes, message_count,
--   data_mb, payment_count, payment_fen, contact_count, complaint_count
-- column: month_date: First day of the month / 月份首日

select
    s.user_id, s.month,
    m.first_date as month_date,
    s.source, s.tier, s.customer_id, s.product, s.open_date, s.tenure_months, s.is_open_at_start, s.is_open_at_end,
    s.closing_count, s.active_days, s.suspended_days, s.barred_outgoing_days, s.barred_days, s.closed_days,
    s.arpu3_fen, s.total_fen, s.rental_fen, s.voice_fen, s.long_distance_fen, s.roaming_fen, s.message_fen, s.data_fen,
    s.value_added_fen, s.other_fen, s.discount_fen, s.paid_fen, s.outstanding_fen, s.usage_day_count, s.voice_minutes,
    s.message_count, s.data_mb, s.payment_count, s.payment_fen, s.contact_count, s.complaint_count
from mart.subscriber_month as s
inner join mart.month as m on m.month = s.month
