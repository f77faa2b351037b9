-- mart.tier_subject_month: for which months a subscriber's tier is worked out, with what bears on it but the bills.
-- grain: one row per subscriber and month in which it was open at any time; of those before the horizon only the last of
--   a run, since its tier goes on
-- key: subscriber_no, month_index
-- reads: mart.customer_attribute, mart.horizon, mart.month, mart.subscriber_attribute, mart.subscriber_span, policy.code,
--   policy.tier, policy.tiering
-- rule: the attributes that stand for the month count. floor_rank is the best of member_level and the floor for group
--   customers; is_lowest is true for blacklisted customers and for products without tiers.

with open_month as (
    select s.subscriber_no, m.month_index
    from mart.subscriber_span as s
    inner join mart.month as m on m.month_index between s.from_month_index and s.to_month_index
    union all
    select s.subscriber_no, s.to_month_index as month_index
    from mart.subscriber_span as s
    cross join mart.horizon as h
    where s.to_month_index < h.first_month_index
),

attribute as (
    select
        a.subscriber_no, a.customer_id, a.source, a.from_month_index, a.to_month_index,
        cast(extract(year from a.open_date) * 12 + extract(month from a.open_date) - 1
        + case when extract(day from a.open_date) > 1 then 1 else 0 end as integer) as first_whole_month_index,
        manual.rank as manual_rank,
        tiered.code is null as is_untiered
    from mart.subscriber_attribute as a
    left join policy.tier as manual on manual.source = a.source and manual.tier = a.member_level
    left join policy.code as tiered
        on tiered.source = a.source and tiered.name = 'tiering.products' and tiered.code = a.product
),

group_floor as (
    select t.source, c.code as customer_type, r.rank
    from policy.tiering as t
    inner join policy.code as c on c.source = t.source and c.name = 'tiering.group_types'
    inner join policy.tier as r on r.source = t.source and r.tier = t.group_tier
)

select
    o.subscriber_no, o.month_index, a.source,
    greatest(o.month_index + 1 - a.first_whole_month_index, 0) as tenure_months,
    least(a.manual_rank, g.rank) as floor_rank,
    a.is_untiered or coalesce(c.is_blacklisted, false) as is_lowest
from open_month as o
inner join attribute as a
    on a.subscriber_no = o.subscriber_no and o.month_index between a.from_month_index and a.to_month_index
left join mart.customer_attribute as c
    on c.customer_id = a.customer_id and o.month_index between c.from_month_index and c.to_month_index
left join group_floor as g on g.source = a.source and g.customer_type = c.customer_type
