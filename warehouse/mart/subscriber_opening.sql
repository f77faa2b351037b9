-- mart.subscriber_opening: in which month subscribers were opened.
-- grain: one row per subscriber and month in which the open_date lies that stands for that month
-- key: user_id, month
-- entity: user_id
-- by: part
-- reads: mart.month, policy.tier, step_attribute, step_subscriber, step_tier_month
-- rule: a subscriber counts as new in the month of its open_date, by the last period that begins before the month's
--   end; source and tier are those of the month by which KPIs count it
-- title: Openings / 入网记录
-- columns of core.subscriber: user_id, open_date
-- columns of mart.month: month
-- column: source: Source that stands for the month / 当月归属省份
-- column: tier: Tier of the month / 当月客户层次

select n.user_id, m.month, a.open_date, a.source, r.tier
from step_attribute as a
inner join step_subscriber as n on n.subscriber_no = a.subscriber_no
inner join mart.month as m on m.month_index = a.open_month_index
left join step_tier_month as t on t.subscriber_no = a.subscriber_no and t.month_index = a.open_month_index
left join policy.tier as r on r.source = t.source and r.rank = t.rank
where a.open_month_index between a.from_month_index and a.to_month_index
