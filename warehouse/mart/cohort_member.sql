-- mart.cohort_member: who was opened some months before, and whether it is still open.
-- grain: one row per subscriber and month for whose cohort it counts
-- key: user_id, month
-- entity: user_id
-- by: part
-- for: build
-- reads: mart.month, policy.kpi, policy.tier, step_attribute, step_status_month, step_subscriber, step_tier_month
-- rule: the cohort of a month are those whose open_date, as it stands for that month, lies new_retention_months before;
--   closed ones too, which count for their last tier
-- title: New subscribers some months on / 新用户留存
-- columns of core.subscriber: user_id
-- columns of mart.month: month
-- column: source: Source that stands for the month / 当月归属省份
-- column: tier: Tier of the month; null where not open by then / 当月客户层次
-- column: is_retained: Whether open at the end of the month / 月末是否在网

with opened as (
    select a.subscriber_no, a.source, cast(a.open_month_index + k.new_retention_months as integer) as month_index
    from step_attribute as a
    inner join policy.kpi as k on k.source = a.source
    where a.open_month_index + k.new_retention_months between a.from_month_index and a.to_month_index
)

select
    n.user_id, m.month, o.source, r.tier,
    coalesce(s.is_open_at_end, false) as is_retained
from opened as o
inner join step_subscriber as n on n.subscriber_no = o.subscriber_no
inner join mart.month as m on m.month_index = o.month_index
left join step_tier_month as t on t.subscriber_no = o.subscriber_no and t.month_index = o.month_index
left join policy.tier as r on r.source = o.source and r.rank = t.rank
left join step_status_month as s on s.subscriber_no = o.subscriber_no and s.month_index = o.month_index
