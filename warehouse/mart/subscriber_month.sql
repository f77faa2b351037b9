-- mart.subscriber_month: everything about a subscriber in a month.
-- grain: one row per subscriber and month of the horizon in which it was open at any time or closed
-- key: user_id, month
-- by: part
-- reads: mart.month, policy.tier, step_activity_month, step_arpu_month, step_attribute, step_bill, step_status_month,
--   step_subscriber, step_tier_month
-- rule: money in fen, null without a bill; arpu3_fen rounded half up; counts are 0 without a fact; minutes are
--   seconds / 60 and MB kilobytes / 1024, rounded to two places; customer, product and open_date are those that stand
--   for the month, source and tier those by which KPIs count it

with tier_name as (
    select distinct rank, tier
    from policy.tier
)

select
    n.user_id, m.month, s.month_index, t.source, tier_name.tier, a.customer_id, a.product, a.open_date,
    greatest(s.month_index + 1 - a.first_whole_month_index, 0) as tenure_months,
    s.is_open_at_start, s.is_open_at_end, s.closing_count,
    s.active_days, s.suspended_days, s.barred_outgoing_days, s.barred_days, s.closed_days,
    (2 * r.total_fen + r.bill_count) // (2 * r.bill_count) as arpu3_fen,
    b.total_fen, b.rental_fen, b.voice_fen, b.long_distance_fen, b.roaming_fen, b.message_fen, b.data_fen,
    b.value_added_fen, b.other_fen, b.discount_fen, b.paid_fen, b.outstanding_fen,
    coalesce(f.usage_day_count, 0) as usage_day_count,
    cast(coalesce(f.voice_s, 0) / 60 as decimal(18, 2)) as voice_minutes,
    coalesce(f.message_count, 0) as message_count,
    cast(coalesce(f.data_kb, 0) / 1024 as decimal(18, 2)) as data_mb,
    coalesce(f.payment_count, 0) as payment_count,
    coalesce(f.payment_fen, 0) as payment_fen,
    coalesce(f.contact_count, 0) as contact_count,
    coalesce(f.complaint_count, 0) as complaint_count
from step_status_month as s
inner join step_subscriber as n on n.subscriber_no = s.subscriber_no
inner join mart.month as m on m.month_index = s.month_index
inner join step_tier_month as t on t.subscriber_no = s.subscriber_no and t.month_index = s.month_index
inner join tier_name on tier_name.rank = t.rank
inner join step_attribute as a
    on a.subscriber_no = s.subscriber_no and s.month_index between a.from_month_index and a.to_month_index
left join step_bill as b on b.subscriber_no = s.subscriber_no and b.month_index = s.month_index
left join step_arpu_month as r on r.subscriber_no = s.subscriber_no and r.month_index = s.month_index
left join step_activity_month as f on f.subscriber_no = s.subscriber_no and f.month_index = s.month_index
