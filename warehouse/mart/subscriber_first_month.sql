-- mart.subscriber_first_month: when subscribers were first open that were not yet at the begin of the horizon.
-- grain: one row per subscriber that was not open in the first month of the horizon or before
-- key: user_id
-- entity: user_id
-- by: part
-- for: build
-- reads: mart.horizon, step_span, step_subscriber
-- rule: what comes before the first month in which it was open at any time counts for no tier
-- title: First months of subscribers / 用户首个在网月
-- columns of core.subscriber: user_id
-- column: first_month_index: First month in which it was open, in months since year 0; null: none / 首个在网月序号

select n.user_id, min(s.from_month_index) as first_month_index
from step_subscriber as n
cross join mart.horizon as h
left join step_span as s on s.subscriber_no = n.subscriber_no
group by n.user_id, h.first_month_index
having coalesce(min(s.from_month_index) > h.first_month_index, true)
