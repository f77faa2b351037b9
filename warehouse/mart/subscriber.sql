-- mart.subscriber: the subscribers that are known at the as-of date, numbered.
-- grain: one row per subscriber with a period that begins before E
-- key: user_id
-- reads: core.subscriber, mart.horizon
-- rule: subscriber_no is for joins within one build only (whole numbers join several times faster than ids) and no name
--   of the subscriber: it changes when others come
-- title: Known subscribers / 已知用户
-- columns of core.subscriber: user_id
-- column: subscriber_no: Number of the subscriber in this build / 用户顺序号（仅本次构建有效）

with known as (
    select distinct s.user_id
    from core.subscriber as s
    cross join mart.horizon as h
    where s.valid_from < h.end_at
)

select user_id, cast(row_number() over (order by user_id) as integer) as subscriber_no
from known
