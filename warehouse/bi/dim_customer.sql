-- bi.dim_customer: customers as they stood when the state was published.
-- grain: one row per customer that is not deleted
-- key: customer_id
-- reads: core.customer, ops.publication
-- rule: facts of a customer that was deleted, or never came, find no row; former states are in bi.customer_period
-- title: Customers / 客户维度
-- columns of core.customer: customer_id, source, op_time, customer_type, customer_name, id_type, id_number, gender,
--   birth_date, contact_phone, email, address, postcode, industry, manager_id, credit_class, blacklisted,
--   marketing_consent, created_date, valid_from, batch_stem, line

with newest as (
    select max(published_at) as moment
    from ops.publication
)

select
    customer_id, source, op_time, customer_type, customer_name, id_type, id_number, gender, birth_date, contact_phone,
    email, address, postcode, industry, manager_id, credit_class, blacklisted, marketing_consent, created_date,
    valid_from, batch_stem, line
from core.customer
cross join newest
where valid_from <= newest.moment and (valid_to is null or valid_to > newest.moment)
