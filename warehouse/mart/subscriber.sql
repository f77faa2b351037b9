-- mart.subscriber: the subscribers that are known at the as-of date.
-- grain: one row per subscriber with a period that begins before E
-- key: user_id
-- entity: user_id
-- for: build
-- reads: core.subscriber, mart.horizon
-- rule: facts of others count under nobody's tier
-- title: Known subscribers / 已知用户
-- columns of core.subscriber: user_id

select distinct s.user_id
from core.subscriber as s
cross join mart.horizon as h
where s.valid_from < h.end_at
