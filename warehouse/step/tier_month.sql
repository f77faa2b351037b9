-- step_tier_month: source and tier of a subscriber in every month, by which KPIs count it.
-- grain: one row per subscriber and month of the horizon from its opening on, closed ones too
-- key: subscriber_no, month_index
-- reads: step_arpu_month, mart.horizon, mart.month, step_attribute, step_span,
--   step_tier_subject, policy.held_month, policy.tier, policy.tier_rule
-- rule: in a month in which it was open at any time the best of its floors and of what its ARPU3 gave it in that month or
--   in those before it that still hold; in later months its last tier. The source is that which stands for the month.

with threshold as (
    select min(from_fen) as from_fen
    from policy.tier_rule
),

worthy as (
    select a.subscriber_no, a.month_index, a.total_fen, a.bill_count
    from step_arpu_month as a
    inner join threshold as t on a.total_fen >= t.from_fen * a.bill_count
),

earned as (
    select s.subscriber_no, s.month_index, min(r.rank) as rank
    from worthy as w
    cross join policy.held_month as h
    inner join step_tier_subject as s
        on s.subscriber_no = w.subscriber_no and s.month_index = w.month_index + h.month_offset
    inner join policy.tier_rule as r
        on r.source = s.source
            and w.total_fen >= r.from_fen * w.bill_count
            and greatest(s.tenure_months - h.month_offset, 0) >= r.from_months
    where not s.is_lowest
    group by s.subscriber_no, s.month_index
),

lowest as (
    select source, max(rank) as rank
    from policy.tier
    group by source
),

given as (
    select s.subscriber_no, s.month_index, s.source, t.tier
    from step_tier_subject as s
    inner join lowest as l on l.source = s.source
    left join earned as e on e.subscriber_no = s.subscriber_no and e.month_index = s.month_index
    inner join policy.tier as t
        on t.source = s.source
            and t.rank = case when s.is_lowest then l.rank else least(coalesce(e.rank, l.rank), s.floor_rank) end
)

select given.subscriber_no, given.month_index, given.source, given.tier
from given
inner join mart.horizon as h on given.month_index >= h.first_month_index
union all
select s.subscriber_no, m.month_index, a.source, given.tier
from step_span as s
inner join mart.month as m on m.month_index > s.to_month_index and m.month_index <= s.until_month_index
inner join given on given.subscriber_no = s.subscriber_no and given.month_index = s.to_month_index
inner join step_attribute as a
    on a.subscriber_no = s.subscriber_no and m.month_index between a.from_month_index and a.to_month_index
