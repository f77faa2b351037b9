-- step_tier_subject: for which months a subscriber's tier is worked out, with what bears on it but the bills.
-- grain: one row per subscriber and month in which it was open at any time; of those before the horizon only the last of
--   a run, since its tier goes on
-- key: subscriber_no, month_index
-- reads: mart.customer_attribute, mart.horizon, mart.month, policy.code, policy.tier, policy.tiering, step_attribute, step_span
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

floor as (
    select t.source, lowest.rank as lowest_rank, grouped.rank as group_rank
    from policy.tiering as t
    inner join (select source, max(rank) as rank from policy.tier group by source) as lowest on lowest.source = t.source
    inner join policy.tier as grouped on grouped.source = t.source and grouped.tier = t.group_tier
),

attribute as (
    select
        a.subscriber_no, a.customer_id, a.source, a.from_month_index, a.to_month_index,
        a.first_whole_month_index, f.lowest_rank, f.group_rank,
        manual.rank as manual_rank,
        tiered.code is null as is_untiered
    from step_attribute as a
    inner join floor as f on f.source = a.source
    left join policy.tier as manual on manual.source = a.source and manual.tier = a.member_level
    left join policy.code as tiered
        on tiered.source = a.source and tiered.name = 'tiering.products' and tiered.code = a.product
)

select
    o.subscriber_no, o.month_index, a.source,
    greatest(o.month_index + 1 - a.first_whole_month_index, 0) as tenure_months,
    case
        when a.is_untiered or c.is_blacklisted then a.lowest_rank
        else least(a.lowest_rank, a.manual_rank, case when c.is_group then a.group_rank end)
    end as floor_rank,
    a.is_untiered or coalesce(c.is_blacklisted, false) as is_fixed
from open_month as o
inner join attribute as a
    on a.subscriber_no = o.subscriber_no and o.month_index between a.from_month_index and a.to_month_index
left join mart.customer_attribute as c
    on c.customer_id = a.customer_id and o.month_index between c.from_month_index and c.to_month_index
