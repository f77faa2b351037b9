-- mart.tier_given: the tier of every subject, and why.
-- grain: one row per subject of mart.tier_subject
-- key: user_id, month_index, is_as_of
-- reads: mart.tier_earned, mart.tier_subject, policy.tier
-- rule: the best of the earned tier and the floors (MANUAL by member_level, GROUP by the customer's type); the lowest for
--   a blacklisted customer and for products without tiers; the reason is the first of the ways that give the tier

with lowest as (
    select source, max(rank) as rank
    from policy.tier
    group by source
),

ranked as (
    select
        s.user_id, s.month_index, s.is_as_of, s.source, s.tenure_months, s.is_blacklisted,
        s.manual_rank, s.group_rank, e.spend_rank, e.tenure_rank, e.held_rank,
        case
            when s.is_blacklisted or not s.is_tiered then lowest.rank
            else least(
                coalesce(e.spend_rank, lowest.rank), coalesce(e.tenure_rank, lowest.rank),
                coalesce(e.held_rank, lowest.rank), coalesce(s.manual_rank, lowest.rank),
                coalesce(s.group_rank, lowest.rank)
            )
        end as rank
    from mart.tier_subject as s
    inner join lowest on lowest.source = s.source
    left join mart.tier_earned as e
        on e.user_id = s.user_id and e.month_index = s.month_index and e.is_as_of = s.is_as_of
)

select
    ranked.user_id, ranked.month_index, ranked.is_as_of, ranked.source, ranked.tenure_months, t.tier,
    case
        when ranked.is_blacklisted then 'BLACKLIST'
        when ranked.rank = ranked.spend_rank then 'SPEND'
        when ranked.rank = ranked.tenure_rank then 'TENURE'
        when ranked.rank = ranked.held_rank then 'HELD'
        when ranked.rank = ranked.manual_rank then 'MANUAL'
        when ranked.rank = ranked.group_rank then 'GROUP'
        else 'NONE'
    end as reason,
    case when ranked.is_blacklisted then 'B' end as flag
from ranked
inner join policy.tier as t on t.source = ranked.source and t.rank = ranked.rank
