-- step_held_arpu: the ARPU3 that bear on the tier of a month: its own and those before it that still hold.
-- grain: one row per subscriber, month and month_offset (0: the month's own) that is enough for any tier
-- key: subscriber_no, month_index, month_offset
-- reads: policy.held_month, policy.tier_rule, step_arpu_month
-- rule: the earned tier is the best of the month and of those before it that still hold

with threshold as (
    select min(from_fen) as from_fen
    from policy.tier_rule
)

select
    a.subscriber_no,
    cast(a.month_index + h.month_offset as integer) as month_index,
    cast(h.month_offset as integer) as month_offset,
    a.total_fen, a.bill_count
from step_arpu_month as a
inner join threshold as t on a.total_fen >= t.from_fen * a.bill_count
cross join policy.held_month as h
