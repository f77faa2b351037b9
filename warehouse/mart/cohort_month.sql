-- mart.cohort_month: who was opened some months before, and who of them is still open.
-- grain: one row per month, source and tier (null where not open by then) of the month, and part of the subscribers
-- key: none, since every part adds its own rows
-- by: part
-- reads: mart.month, policy.kpi, policy.tier, step_attribute, step_status_month, step_tier_month
-- rule: the cohort of a month are those whose open_date, as it stands for that month, lies new_retention_months before;
--   closed ones too, which count for their last tier
-- title: New subscribers some months on / 新用户留存
-- columns of mart.month: month
-- column: source: Source that stands for the month / 当月归属省份
-- column: tier: Tier of the month / 当月客户层次
-- column: cohort_count: Subscribers opened so many months before / 此前入网用户数
-- column: retained_count: Those of them that are open at the end of the month / 其中月末在网用户数

with opened as (
    select a.subscriber_no, a.source, cast(a.open_month_index + k.new_retention_months as integer) as month_index
    from step_attribute as a
    inner join policy.kpi as k on k.source = a.source
    where a.open_month_index + k.new_retention_months between a.from_month_index and a.to_month_index
)

select
    m.month, o.source, r.tier,
    count(*) as cohort_count,
    count(case when s.is_open_at_end then 1 end) as retained_count
from opened as o
inner join mart.month as m on m.month_index = o.month_index
left join step_tier_month as t on t.subscriber_no = o.subscriber_no and t.month_index = o.month_index
left join policy.tier as r on r.source = o.source and r.rank = t.rank
left join step_status_month as s on s.subscriber_no = o.subscriber_no and s.month_index = o.month_index
group by m.month, o.source, r.tier
