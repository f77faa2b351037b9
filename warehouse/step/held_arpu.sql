-- step_held_arpu: the ARPU3 that bear on the tier of a month: its own and those before it that still hold.
-- grain: one row per subject, and month_offset (0: the month's own) whose ARPU3 is enough for any tier
-- key: subscriber_no, month_index, month_offset
-- reads: policy.held_month, policy.tier_rule, step_arpu_month, step_tier_subject
-- rule: the earned tier is the best of the month and of those before it that still hold; tenure_months is that at the
--   end of the month of the ARPU3

with threshold as (
    select min(from_fen) as from_fen
    from policy.tier_rule
)

select
    s.subscriber_no, s.month_index, h.month_offset, s.source, a.total_fen, a.bill_count,
    greatest(s.tenure_months - h.month_offset, 0) as tenure_months
from step_arpu_month as a
inner join threshold as t on a.total_fen >= t.from_fen * a.bill_count
cross join policy.held_month as h
inner join step_tier_subject as s
    on s.subscriber_no = a.subscriber_no and s.month_index = a.month_index + h.month_offset
where not s.is_fixed
