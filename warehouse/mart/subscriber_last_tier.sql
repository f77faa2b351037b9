-- mart.subscriber_last_tier: the tier of a closed subscriber in its last month.
-- grain: one row per subscriber that is closed at the as-of date and was ever open
-- key: user_id
-- entity: user_id
-- for: build
-- reads: mart.subscriber_later_month, mart.subscriber_month, mart.subscriber_state, policy.tier
-- rule: the tier of the last month in which it was open at any time, which goes on in later months
-- title: Last tiers of closed subscribers / 销户用户最后层次
-- columns of core.subscriber: user_id
-- column: tier: Tier of the last month / 最后客户层次
-- column: rank: Its rank, 1 the best / 层次排序

with closed as (
    select user_id
    from mart.subscriber_state
    where status = '9'
),

known as (
    select m.user_id, m.month, m.source, m.tier
    from mart.subscriber_month as m
    inner join closed on closed.user_id = m.user_id
    union all
    select m.user_id, m.month, m.source, m.tier
    from mart.subscriber_later_month as m
    inner join closed on closed.user_id = m.user_id
),

placed as (
    select *, row_number() over (partition by user_id order by month desc) as place
    from known
)

select p.user_id, p.tier, t.rank
from placed as p
inner join policy.tier as t on t.source = p.source and t.tier = p.tier
where p.place = 1
