-- mart.subscriber_last_tier: the tier of a closed subscriber in its last month.
-- grain: one row per subscriber that is closed at the as-of date and was open in a month of the horizon
-- key: user_id
-- reads: mart.subscriber_month, mart.subscriber_state, policy.tier
-- rule: the tier of the last month in which it was open at any time
-- title: Last tiers of closed subscribers / 销户用户最后层次
-- columns of core.subscriber: user_id
-- column: tier: Tier of the last month / 最后客户层次
-- column: rank: Its rank, 1 the best / 层次排序

with closed as (
    select user_id
    from mart.subscriber_state
    where status = '9'
),

last_month as (
    select m.user_id, max(m.month) as month
    from mart.subscriber_month as m
    inner join closed on closed.user_id = m.user_id
    group by m.user_id
)

select m.user_id, m.tier, t.rank
from last_month as l
inner join mart.subscriber_month as m on m.user_id = l.user_id and m.month = l.month
inner join policy.tier as t on t.source = m.source and t.tier = m.tier
