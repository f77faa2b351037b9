-- bi.subscriber_period: subscribers with all their states, former ones too.
-- grain: one row per subscriber and period in which nothing of it changed
-- key: user_id, valid_from
-- reads: core.subscriber
-- rule: a fact at time t joins by user_id where valid_from <= t and (valid_to is null or t < valid_to)
-- title: Subscribers' history / 用户历史
-- columns of core.subscriber: user_id, customer_id, account_id, service_number, product, plan_code, pay_mode, status,
--   status_time, open_date, close_date, area_code, dealer_id, credit_limit_fen, balance_fen, balance_expiry,
--   contract_end, member_level, source, op_time, valid_from, valid_to, is_current, batch_stem, line
-- column: province_code: Province, six digits of GB/T 2260 / 归属省份代码

select
    user_id, customer_id, account_id, service_number, product, plan_code, pay_mode, status, status_time, open_date,
    close_date, area_code,
    left(area_code, 2) || '0000' as province_code,
    dealer_id, credit_limit_fen, balance_fen, balance_expiry, contract_end, member_level, source, op_time,
    valid_from,
    valid_to, is_current, batch_stem, line
from core.subscriber
