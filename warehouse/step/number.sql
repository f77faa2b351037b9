-- step_number: known subscribers, numbered.
-- grain: one row per known subscriber
-- key: user_id
-- by: all
-- reads: mart.subscriber
-- rule: numbers are for joins within one build only (whole numbers join several times faster than ids)

select user_id, cast(row_number() over (order by user_id) as integer) as subscriber_no
from mart.subscriber
