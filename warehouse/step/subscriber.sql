-- step_subscriber: the part of the subscribers that the other steps work on, so that memory does not grow with all.
-- grain: one row per subscriber of the part
-- key: subscriber_no
-- reads: step_number
-- rule: parts are ranges of subscriber_no; every step and every model `by part` is run once for each

select user_id, subscriber_no
from step_number
where subscriber_no between $first_no and $last_no
