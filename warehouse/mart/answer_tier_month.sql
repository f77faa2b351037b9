-- mart.answer_tier_month: contacts with agents, and how they were answered, summed up as KPIs count them.
-- grain: one row per subscriber (null: nobody known), month, source and tier served
-- key: user_id, month, source, tier
-- entity: user_id
-- by: part
-- for: build
-- reads: mart.month, policy.service_level, policy.tier, step_contact, step_subscriber, step_tier_month
-- rule: a contact counts for the tier that it was served as, the lowest where that is missing, whoever called; for the
--   source of its subscriber in the month, and of nobody known (with the first part) or before the opening for the
--   file's. In target are those answered within the seconds of their tier from queued_at on.
-- title: Answered contacts by month, source and tier / 按月、省份、服务层次汇总的人工接通量
-- columns of core.subscriber: user_id
-- columns of mart.month: month
-- column: source: Source by which the contact counts / 归属省份
-- column: tier: Tier served / 服务层次
-- column: contact_count: Contacts with agents / 人工接触次数
-- column: answered_count: Those answered / 接通次数
-- column: in_target_count: Those answered in time / 达标接通次数
-- column: abandoned_count: Those abandoned / 放弃次数

with lowest as (
    select source, max(rank) as rank
    from policy.tier
    group by source
),

placed as (
    select c.subscriber_no, c.month_index, coalesce(t.source, c.source) as source, c.tier_served, c.outcome, c.wait_s
    from step_contact as c
    left join step_tier_month as t on t.subscriber_no = c.subscriber_no and t.month_index = c.month_index
    where coalesce(c.subscriber_no, 1) between $first_no and $last_no and c.channel = 'AGENT'
),

served as (
    select p.subscriber_no, p.month_index, p.source, coalesce(p.tier_served, r.tier) as tier, p.outcome, p.wait_s
    from placed as p
    inner join lowest as l on l.source = p.source
    inner join policy.tier as r on r.source = l.source and r.rank = l.rank
)

select
    n.user_id, m.month, s.source, s.tier,
    count(*) as contact_count,
    count(case when s.outcome = 'ANSWERED' then 1 end) as answered_count,
    count(case when s.outcome = 'ANSWERED' and s.wait_s <= v.answer_within_s then 1 end) as in_target_count,
    count(case when s.outcome = 'ABANDONED' then 1 end) as abandoned_count
from served as s
inner join mart.month as m on m.month_index = s.month_index
left join step_subscriber as n on n.subscriber_no = s.subscriber_no
inner join policy.service_level as v on v.source = s.source and v.tier = s.tier
group by n.user_id, m.month, s.source, s.tier
