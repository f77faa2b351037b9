-- mart.tier_earned: the best tier that a subscriber's bills give it, by each way.
-- grain: one row per subject that qualifies for a tier above the lowest
-- key: user_id, month_index, is_as_of
-- reads: mart.arpu_month, mart.tier_subject, policy.held_month, policy.tier_rule
-- rule: it qualifies in a month by its ARPU3 alone (SPEND) or by a smaller one with tenure (TENURE); the earned tier is
--   the best of the month and of those before it that still hold (HELD), so a rise counts at once and a fall late

with threshold as (
    select min(from_fen) as from_fen
    from policy.tier_rule
),

worthy as (
    select a.user_id, a.month_index, a.total_fen, a.bill_count
    from mart.arpu_month as a
    cross join threshold
    where a.total_fen >= threshold.from_fen * a.bill_count
),

qualified as (
    select
        s.user_id, s.month_index, s.is_as_of, r.rank,
        case when h.month_offset = 0 then r.way else 'HELD' end as way
    from worthy
    cross join policy.held_month as h
    inner join mart.tier_subject as s
        on s.user_id = worthy.user_id and s.month_index = worthy.month_index + h.month_offset
    inner join policy.tier_rule as r
        on r.source = s.source
            and worthy.total_fen >= r.from_fen * worthy.bill_count
            and greatest(s.tenure_months - h.month_offset, 0) >= r.from_months
)

select
    user_id, month_index, is_as_of,
    min(case when way = 'SPEND' then rank end) as spend_rank,
    min(case when way = 'TENURE' then rank end) as tenure_rank,
    min(case when way = 'HELD' then rank end) as held_rank
from qualified
group by user_id, month_index, is_as_of
