-- mart.tier_way: by which ways a subscriber has which tier at the as-of date, above the lowest.
-- grain: one row per open subscriber of a product that has tiers, way, and tier that the way gives
-- key: user_id, way, rank
-- entity: user_id
-- for: build
-- reads: mart.arpu, mart.customer_state, mart.tier_subject, policy.code, policy.tier, policy.tier_rule, policy.tiering
-- rule: SPEND and TENURE by the ARPU3 of the last closed month, alone or with tenure at its end; HELD by either in the
--   months before it that still hold; MANUAL by member_level; GROUP by the customer's type
-- title: Ways to a tier / 定级途径
-- columns of core.subscriber: user_id
-- column: way: Way that gives the tier / 定级途径
-- column: rank: Rank of the tier, 1 the best / 层次排序（1 为最高）

select
    s.user_id,
    case when a.month_offset = 0 then r.way else 'HELD' end as way,
    r.rank
from mart.tier_subject as s
inner join mart.arpu as a on a.user_id = s.user_id
inner join policy.tier_rule as r
    on r.source = s.source
        and a.total_fen >= r.from_fen * a.bill_count
        and greatest(s.tenure_months - a.month_offset, 0) >= r.from_months
union
select s.user_id, 'MANUAL' as way, t.rank
from mart.tier_subject as s
inner join policy.tier as t on t.source = s.source and t.tier = s.member_level
union
select s.user_id, 'GROUP' as way, t.rank
from mart.tier_subject as s
inner join mart.customer_state as c on c.customer_id = s.customer_id
inner join policy.code as g
    on g.source = s.source and g.name = 'tiering.group_types' and g.code = c.customer_type
inner join policy.tiering as p on p.source = s.source
inner join policy.tier as t on t.source = s.source and t.tier = p.group_tier
