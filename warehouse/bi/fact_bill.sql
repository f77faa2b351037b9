-- bi.fact_bill: monthly bills.
-- grain: one row per subscriber and billing month
-- key: user_id, billing_cycle
-- reads: core.bill
-- rule: amounts in fen; total_fen is what is charged less the discount. Joins bi.dim_date by bill_date,
--   bi.dim_subscriber by user_id, bi.dim_customer by customer_id, bi.dim_area by source.
-- title: Bills / 账单事实
-- columns of core.bill: bill_id, account_id, customer_id, user_id, service_number, billing_cycle, rental_fen,
--   voice_fen, long_distance_fen, roaming_fen, message_fen, data_fen, value_added_fen, other_fen, discount_fen,
--   total_fen, paid_fen, outstanding_fen, issued_at, due_date, source, batch_stem, line
-- column: bill_date: First day of the billing month / 账期首日

select
    bill_id, account_id, customer_id, user_id, service_number, billing_cycle,
    cast(strptime(billing_cycle, '%Y%m') as date) as bill_date,
    rental_fen, voice_fen, long_distance_fen, roaming_fen, message_fen, data_fen, value_added_fen, other_fen,
    discount_fen, total_fen, paid_fen, outstanding_fen, issued_at, due_date, source, batch_stem, line
from core.bill
where is_current
