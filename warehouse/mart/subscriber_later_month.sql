-- mart.subscriber_later_month: how KPIs count a subscriber in months in which it was not open.
-- grain: one row per subscriber and month of the horizon after a closing in which it was not open at any time
-- key: user_id, month
-- entity: user_id
-- by: part
-- for: build
-- reads: mart.month, policy.tier, step_subscriber, step_tier_month
-- rule: facts that come after a closing count for the last tier, and for the source that stands for the month
-- title: Months after a closing / 离网后月份
-- columns of core.subscriber: user_id
-- columns of mart.month: month
-- column: source: Source that stands for the month / 当月归属省份
-- column: tier: Last tier before the closing / 离网前客户层次

select n.user_id, m.month, t.source, r.tier
from step_tier_month as t
inner join step_subscriber as n on n.subscriber_no = t.subscriber_no
inner join mart.month as m on m.month_index = t.month_index
inner join policy.tier as r on r.source = t.source and r.rank = t.rank
where t.is_later
