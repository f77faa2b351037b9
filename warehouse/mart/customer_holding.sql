-- mart.customer_holding: what a customer has at the as-of date.
-- grain: one row per customer that is not deleted
-- key: customer_id
-- entity: customer_id
-- for: build
-- reads: mart.churn_warning, mart.customer_state, mart.subscriber_last_tier, mart.subscriber_state, mart.tier,
--   policy.code, policy.tier
-- rule: its subscribers are those whose state at D names it, closed ones too. tier is that of its best open subscriber,
--   the lowest for products without tiers; where none is open, of its best one in its last month.
-- title: What customers have / 客户持有情况
-- columns of core.customer: customer_id, source
-- column: subscriber_count: Subscribers, closed ones too / 用户数（含销户）
-- column: open_count: Open subscribers / 在网用户数
-- column: product_count: Distinct products of the open ones / 在网产品数
-- column: first_open_date: Earliest opening of all / 最早入网日期
-- column: oldest_open_date: Earliest opening of the open ones / 在网用户最早入网日期
-- column: tier: Tier of the best subscriber / 最高客户层次
-- column: tier_rank: Its rank, 1 the best / 层次排序
-- column: is_at_risk: Whether an open one has a warning of the levels that the policy names / 是否流失边缘
-- column: has_core_tier: Whether an open one has a tier that makes a core customer / 是否含核心层次用户

with lowest as (
    select source, max(rank) as rank
    from policy.tier
    group by source
),

held as (
    select
        s.customer_id,
        count(*) as subscriber_count,
        count(case when s.status <> '9' then 1 end) as open_count,
        count(distinct case when s.status <> '9' then s.product end) as product_count,
        min(s.open_date) as first_open_date,
        min(case when s.status <> '9' then s.open_date end) as oldest_open_date,
        min(case when s.status <> '9' then r.rank end) as open_rank,
        min(l.rank) as closed_rank,
        bool_or(s.status <> '9' and a.code is not null) as is_at_risk,
        bool_or(s.status <> '9' and c.code is not null) as has_core_tier
    from mart.subscriber_state as s
    left join mart.tier as t on t.user_id = s.user_id
    left join policy.tier as r on r.source = t.source and r.tier = t.tier
    left join policy.code as c on c.source = t.source and c.name = 'loyalty.core_tiers' and c.code = t.tier
    left join mart.subscriber_last_tier as l on l.user_id = s.user_id
    left join mart.churn_warning as w on w.user_id = s.user_id
    left join policy.code as a on a.source = s.source and a.name = 'loyalty.at_risk_levels' and a.code = w.level
    group by s.customer_id
),

ranked as (
    select
        c.customer_id, c.source,
        coalesce(h.subscriber_count, 0) as subscriber_count,
        coalesce(h.open_count, 0) as open_count,
        coalesce(h.product_count, 0) as product_count,
        h.first_open_date, h.oldest_open_date,
        coalesce(case when h.open_count > 0 then h.open_rank else h.closed_rank end, lowest.rank) as tier_rank,
        coalesce(h.is_at_risk, false) as is_at_risk,
        coalesce(h.has_core_tier, false) as has_core_tier
    from mart.customer_state as c
    inner join lowest on lowest.source = c.source
    left join held as h on h.customer_id = c.customer_id
)

select r.*, t.tier
from ranked as r
inner join policy.tier as t on t.source = r.source and t.rank = r.tier_rank
