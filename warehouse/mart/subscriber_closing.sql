-- mart.subscriber_closing: the days on which subscribers closed.
-- grain: one row per subscriber and day on which a run of its open periods ended
-- key: user_id, closing_date
-- by: part
-- reads: step_closing, step_subscriber
-- rule: is_by_status tells closings by status 9 from those by a record D or by absence from a complete snapshot

select s.user_id, c.closing_date, c.is_by_status
from step_closing as c
inner join step_subscriber as s on s.subscriber_no = c.subscriber_no
