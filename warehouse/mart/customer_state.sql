-- mart.customer_state: the state of every customer at the as-of date; a customer without one is deleted or unknown.
-- grain: one row per customer that has a state then
-- key: customer_id
-- entity: customer_id
-- for: build
-- reads: core.customer, mart.horizon
-- rule: the state at D is the period that begins before E and does not end before it
-- title: Customers at the as-of date / 统计日客户资料
-- columns of core.customer: customer_id, source, op_time, customer_type, customer_name, id_type, id_number, gender,
--   birth_date, contact_phone, email, address, postcode, industry, manager_id, credit_class, blacklisted,
--   marketing_consent, created_date, valid_from, batch_stem, line

select
    c.customer_id, c.source, c.op_time, c.customer_type, c.customer_name, c.id_type, c.id_number, c.gender,
    c.birth_date, c.contact_phone, c.email, c.address, c.postcode, c.industry, c.manager_id, c.credit_class,
    c.blacklisted, c.marketing_consent, c.created_date, c.valid_from, c.batch_stem, c.line
from core.customer as c
cross join mart.horizon as h
where c.valid_from < h.end_at
    and (c.valid_to is null or c.valid_to >= h.end_at)
