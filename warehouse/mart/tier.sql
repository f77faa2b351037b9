-- mart.tier: the service tier of every subscriber at the as-of date.
-- grain: one row per open subscriber of a product that has tiers
-- key: user_id
-- entity: user_id
-- reads: mart.arpu, mart.customer_state, mart.tier_subject, mart.tier_way, policy.tier
-- rule: the best tier that any way gives; the lowest, with flag B (else null), where the customer is blacklisted.
--   reason is the first of the ways that give it. arpu3_fen (null without a bill) and tenure_months are those of the
--   source's last closed month.
-- title: Service tiers / 客户服务层次
-- columns of core.subscriber: user_id, source
-- column: tier: Service tier / 客户层次
-- column: reason: What gives the tier / 定级依据
-- column: flag: B for a blacklisted customer / 标志（B 为黑名单）
-- column: arpu3_fen: ARPU3 of the last closed month, rounded half up, fen / 近三月平均出账金额（分）
-- column: tenure_months: Tenure at the end of the last closed month, whole months / 在网时长（月）

with lowest as (
    select source, max(rank) as rank
    from policy.tier
    group by source
),

earned as (
    select
        user_id,
        min(rank) as rank,
        min(case when way = 'SPEND' then rank end) as spend_rank,
        min(case when way = 'TENURE' then rank end) as tenure_rank,
        min(case when way = 'HELD' then rank end) as held_rank,
        min(case when way = 'MANUAL' then rank end) as manual_rank
    from mart.tier_way
    group by user_id
),

given as (
    select
        s.user_id, s.source, s.tenure_months, c.customer_id is not null as is_blacklisted,
        case when c.customer_id is not null then l.rank else coalesce(e.rank, l.rank) end as rank,
        case
            when c.customer_id is not null then 'BLACKLIST'
            when e.rank is null then 'NONE'
            when e.rank = e.spend_rank then 'SPEND'
            when e.rank = e.tenure_rank then 'TENURE'
            when e.rank = e.held_rank then 'HELD'
            when e.rank = e.manual_rank then 'MANUAL'
            else 'GROUP'
        end as reason
    from mart.tier_subject as s
    inner join lowest as l on l.source = s.source
    left join earned as e on e.user_id = s.user_id
    left join mart.customer_state as c on c.customer_id = s.customer_id and c.blacklisted = 'Y'
)

select
    g.user_id, g.source, t.tier, g.reason,
    case when g.is_blacklisted then 'B' end as flag,
    a.arpu3_fen, g.tenure_months
from given as g
inner join policy.tier as t on t.source = g.source and t.rank = g.rank
left join mart.arpu as a on a.user_id = g.user_id and a.month_offset = 0
