-- step_last_bill: the newest bill of a subscriber.
-- grain: one row per subscriber with a bill of a month that is over
-- key: user_id
-- by: all
-- reads: core.bill, mart.horizon, mart.subscriber_state
-- rule: by billing_cycle, whatever day it arrived

select b.user_id, max_by(b.total_fen, b.billing_cycle) as total_fen
from core.bill as b
inner join mart.subscriber_state as s on s.user_id = b.user_id
cross join mart.horizon as h
where b.is_current
    and cast(substr(b.billing_cycle, 1, 4) as integer) * 12 + cast(substr(b.billing_cycle, 5, 2) as integer) - 1
    <= h.last_bill_month_index
group by b.user_id
