-- mart.subscriber_closing: the days on which subscribers closed.
-- grain: one row per subscriber and day on which a run of its open periods ended
-- key: user_id, closing_date
-- entity: user_id
-- by: part
-- reads: step_closing, step_subscriber
-- rule: is_by_status tells closings by status 9 from those by a record D or by absence from a complete snapshot
-- title: Closings / 离网记录
-- columns of core.subscriber: user_id
-- column: closing_date: Day on which the subscriber closed / 离网日期
-- column: is_by_status: Whether by status 9, not by deletion or absence / 是否因状态销户离网

select s.user_id, c.closing_date, c.is_by_status
from step_closing as c
inner join step_subscriber as s on s.subscriber_no = c.subscriber_no
