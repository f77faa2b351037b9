-- bi.dim_subscriber: subscribers as they stood when the state was published, closed ones (status 9) too.
-- grain: one row per subscriber that is not deleted
-- key: user_id
-- reads: core.subscriber, ops.publication
-- rule: facts of a subscriber that was deleted, or never came, find no row; former states are in bi.subscriber_period.
--   Joins bi.dim_customer by customer_id, bi.dim_product by product, bi.dim_plan by plan_code, bi.dim_area by
--   province_code = area_code: a province's code is the first two digits of the six and 0000.
-- title: Subscribers / 用户维度
-- columns of core.subscriber: user_id, customer_id, account_id, service_number, product, plan_code, pay_mode, status,
--   status_time, open_date, close_date, area_code, dealer_id, credit_limit_fen, balance_fen, balance_expiry,
--   contract_end, member_level, source, op_time, valid_from, batch_stem, line
-- column: province_code: Province, six digits of GB/T 2260 / 归属省份代码

with newest as (
    select max(published_at) as moment
    from ops.publication
)

select
    user_id, customer_id, account_id, service_number, product, plan_code, pay_mode, status, status_time, open_date,
    close_date, area_code,
    left(area_code, 2) || '0000' as province_code,
    dealer_id, credit_limit_fen, balance_fen, balance_expiry, contract_end, member_level, source, op_time,
    valid_from, batch_stem, line
from core.subscriber
cross join newest
where valid_from <= newest.moment and (valid_to is null or valid_to > newest.moment)
