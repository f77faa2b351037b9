-- bi.customer_period: customers with all their states, former ones too.
-- grain: one row per customer and period in which nothing of it changed
-- key: customer_id, valid_from
-- reads: core.customer
-- rule: a fact at time t joins by customer_id where valid_from <= t and (valid_to is null or t < valid_to)
-- title: Customers' history / 客户历史
-- columns of core.customer: customer_id, source, op_time, customer_type, customer_name, id_type, id_number, gender,
--   birth_date, contact_phone, email, address, postcode, industry, manager_id, credit_class, blacklisted,
--   marketing_consent, created_date, valid_from, valid_to, is_current, batch_stem, line

select
    customer_id, source, op_time, customer_type, customer_name, id_type, id_number, gender, birth_date, contact_phone,
    email, address, postcode, industry, manager_id, credit_class, blacklisted, marketing_consent, created_date,
    valid_from, valid_to, is_current, batch_stem, line
from core.customer
