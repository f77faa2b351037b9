-- step_tier_subject: for which months a subscriber's tier is worked out, with what bears on it but the bills.
-- grain: one row per subscriber and month in which it was open at any time; of those before the horizon only the last
--   of a run, since its tier goes on
-- key: subscriber_no, month_index
-- reads: mart.customer_attribute, mart.horizon, mart.month, policy.code, policy.tier, policy.tiering, step_attribute,
--   step_span
-- rule: the attributes that stand for the month count. floor_rank is the best of member_level and the floor for group
--   customers, else the lowest; is_fixed where nothing else counts: for blacklisted customers, products without tiers

with open_month as (
    select s.subscriber_no, m.month_index
    from step_span as s
    inner join mart.month as m on m.month_index between s.from_month_index and s.to_month_index
    union all
    select s.subscriber_no, s.to_month_index as month_index
    from step_span as s
    cross join mart.horizon as h
    where s.to_month_index < h.first_month_index
),

lowest as (
    select source, max(rank) as rank
    from policy.tier
    group by source
),

attribute as (
    select
        a.subscriber_no, a.customer_id, a.source, a.from_month_index, a.to_month_index, a.first_whole_month_index,
        lowest.rank as lowest_rank,
        case when tiered.code is null then lowest.rank else least(lowest.rank, manual.rank) end as floor_rank,
        tiered.code is null as is_fixed
    from step_attribute as a
    inner join lowest on lowest.source = a.source
    left join policy.tier as manual on manual.source = a.source and manual.tier = a.member_level
    left join policy.code as tiered
        on tiered.source = a.source and tiered.name = 'tiering.products' and tiered.code = a.product
),

customer as (
    select
        a.subscriber_no,
        greatest(a.from_month_index, c.from_month_index) as from_month_index,
        least(a.to_month_index, c.to_month_index) as to_month_index,
        case
            when c.is_blacklisted or a.is_fixed then a.lowest_rank
            else least(a.floor_rank, grouped.rank)
        end as floor_rank,
        c.is_blacklisted or a.is_fixed as is_fixed
    from attribute as a
    inner join mart.customer_attribute as c
        on c.customer_id = a.customer_id
            and c.from_month_index <= a.to_month_index and c.to_month_index >= a.from_month_index
    inner join policy.tiering as t on t.source = a.source
    left join policy.code as g on g.source = a.source and g.name = 'tiering.group_types' and g.code = c.customer_type
    left join policy.tier as grouped
        on grouped.source = a.source and grouped.tier = t.group_tier and g.code is not null
)

select
    o.subscriber_no, o.month_index, a.source,
    greatest(o.month_index + 1 - a.first_whole_month_index, 0) as tenure_months,
    coalesce(c.floor_rank, a.floor_rank) as floor_rank,
    coalesce(c.is_fixed, a.is_fixed) as is_fixed
from open_month as o
inner join attribute as a
    on a.subscriber_no = o.subscriber_no and o.month_index between a.from_month_index and a.to_month_index
left join customer as c
    on c.subscriber_no = o.subscriber_no and o.month_index between c.from_month_index and c.to_month_index
