-- mart.customer_state: the state of every customer at the as-of date; a customer without one is deleted or unknown.
-- grain: one row per customer that has a state then
-- key: customer_id
-- reads: core.customer, mart.horizon
-- rule: the state at D is the period that begins before E and does not end before it

select core.customer.* exclude (valid_to, is_current)
from core.customer
cross join mart.horizon
where core.customer.valid_from < mart.horizon.end_at
    and (core.customer.valid_to is null or core.customer.valid_to >= mart.horizon.end_at)
