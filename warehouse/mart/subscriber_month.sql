-- mart.subscriber_month: everything about a subscriber in a month.
-- grain: one row per subscriber and month in which it was open at any time or closed, within the horizon
-- key: user_id, month
-- reads: core.bill, mart.arpu_month, mart.contact_month, mart.horizon, mart.payment_month,
--   mart.subscriber_attribute, mart.subscriber_status_month, mart.subscriber_tier_month, mart.usage_month
-- rule: money in fen, null without a bill; counts are 0 without a fact; customer, product and open_date are those that
--   stand for the month, source and tier those that KPIs count it by

select
    s.user_id, t.month, s.month_index, t.source, t.tier, a.customer_id, a.product, a.open_date,
    greatest(
        s.month_index + 1 - (extract(year from a.open_date) * 12 + extract(month from a.open_date) - 1)
        - case when extract(day from a.open_date) > 1 then 1 else 0 end,
        0
    ) as tenure_months,
    s.is_open_at_start, s.is_open_at_end, s.closing_count,
    s.active_days, s.suspended_days, s.barred_outgoing_days, s.barred_days, s.closed_days,
    r.arpu3_fen,
    b.total_fen, b.rental_fen, b.voice_fen, b.long_distance_fen, b.roaming_fen, b.message_fen, b.data_fen,
    b.value_added_fen, b.other_fen, b.discount_fen, b.paid_fen, b.outstanding_fen,
    coalesce(u.usage_day_count, 0) as usage_day_count,
    coalesce(u.voice_minutes, 0) as voice_minutes,
    coalesce(u.message_count, 0) as message_count,
    coalesce(u.data_mb, 0) as data_mb,
    coalesce(p.payment_count, 0) as payment_count,
    coalesce(p.payment_fen, 0) as payment_fen,
    coalesce(c.contact_count, 0) as contact_count,
    coalesce(c.complaint_count, 0) as complaint_count
from mart.subscriber_status_month as s
inner join mart.subscriber_tier_month as t on t.user_id = s.user_id and t.month_index = s.month_index
inner join mart.subscriber_attribute as a
    on a.user_id = s.user_id and s.month_index between a.from_month_index and a.to_month_index
cross join mart.horizon as h
left join core.bill as b
    on b.user_id = s.user_id and b.billing_cycle = t.month and b.is_current and s.month_index <= h.last_bill_month_index
left join mart.arpu_month as r on r.user_id = s.user_id and r.month_index = s.month_index
left join mart.usage_month as u on u.user_id = s.user_id and u.month_index = s.month_index
left join mart.payment_month as p on p.user_id = s.user_id and p.month_index = s.month_index
left join mart.contact_month as c on c.user_id = s.user_id and c.month_index = s.month_index
