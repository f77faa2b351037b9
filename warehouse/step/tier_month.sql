-- step_tier_month: source and tier of a subscriber in every month, by which KPIs count it.
-- grain: one row per subscriber and month of the horizon from its opening on, closed ones too (is_later)
-- key: subscriber_no, month_index
-- reads: mart.horizon, mart.month, policy.tier_rule, step_attribute, step_held_arpu, step_span, step_tier_subject
-- rule: in a month in which it was open at any time the best of its floors and of what its ARPU3 gave it in that
--   month or in those before it that still hold; in later months its last tier. The source is that which stands for
--   the month.

with earned as (
    select a.subscriber_no, a.month_index, min(r.rank) as rank
    from step_held_arpu as a
    inner join policy.tier_rule as r
        on r.source = a.source and a.total_fen >= r.from_fen * a.bill_count and a.tenure_months >= r.from_months
    group by a.subscriber_no, a.month_index
),

given as (
    select s.subscriber_no, s.month_index, s.source, least(e.rank, s.floor_rank) as rank
    from step_tier_subject as s
    left join earned as e on e.subscriber_no = s.subscriber_no and e.month_index = s.month_index
)

select given.subscriber_no, given.month_index, given.source, given.rank, false as is_later
from given
inner join mart.horizon as h on given.month_index >= h.first_month_index
union all
select s.subscriber_no, m.month_index, a.source, given.rank, true as is_later
from step_span as s
inner join mart.month as m on m.month_index > s.to_month_index and m.month_index <= s.until_month_index
inner join given on given.subscriber_no = s.subscriber_no and given.month_index = s.to_month_index
inner join step_attribute as a
    on a.subscriber_no = s.subscriber_no and m.month_index between a.from_month_index and a.to_month_index
