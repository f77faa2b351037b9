-- mart.subscriber_state: the state of every subscriber at the as-of date.
-- grain: one row per subscriber that has a state then, closed ones too; an end that comes later is not known yet
-- key: user_id
-- entity: user_id
-- reads: core.subscriber, mart.horizon
-- rule: the state at D is the period that begins before E and does not end before it
-- title: Subscribers at the as-of date / 统计日用户资料
-- columns of core.subscriber: user_id, source, op_time, customer_id, account_id, service_number, product, plan_code,
--   pay_mode, status, status_time, open_date, close_date, area_code, dealer_id, credit_limit_fen, balance_fen,
--   balance_expiry, contract_end, member_level, valid_from, batch_stem, line

select
    s.user_id, s.source, s.op_time, s.customer_id, s.account_id, s.service_number, s.product, s.plan_code, s.pay_mode,
    s.status, s.status_time, s.open_date, s.close_date, s.area_code, s.dealer_id, s.credit_limit_fen, s.balance_fen,
    s.balance_expiry, s.contract_end, s.member_level, s.valid_from, s.batch_stem, s.line
from core.subscriber as s
cross join mart.horizon as h
where s.valid_from < h.end_at
    and (s.valid_to is null or s.valid_to >= h.end_at)
