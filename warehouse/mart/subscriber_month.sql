-- mart.subscriber_month: everything about a subscriber in a month.
-- grain: one row per subscriber and month of the horizon in which it was open at any time or closed
-- key: user_id, month
-- entity: user_id
-- by: part
-- reads: mart.month, policy.tier, step_activity_month, step_arpu_month, step_attribute, step_bill, step_status_month,
--   step_subscriber, step_tier_month
-- rule: money in fen, null without a bill; arpu3_fen rounded half up; counts are 0 without a fact; minutes are
--   seconds / 60 and MB kilobytes / 1024, rounded to two places; customer, product and open_date are those that stand
--   for the month, source and tier those by which KPIs count it
-- title: Subscriber months / 用户月
-- columns of core.subscriber: user_id, customer_id, product, open_date
-- columns of mart.month: month, month_index
-- columns of core.bill: total_fen, rental_fen, voice_fen, long_distance_fen, roaming_fen, message_fen, data_fen,
--   value_added_fen, other_fen, discount_fen, paid_fen, outstanding_fen
-- column: source: Source that stands for the month / 当月归属省份
-- column: tier: Tier of the month / 当月客户层次
-- column: tenure_months: Tenure at the end of the month, whole months / 月末在网时长（月）
-- column: is_open_at_start: Whether open at the start of the month / 月初是否在网
-- column: is_open_at_end: Whether open at the end of the month / 月末是否在网
-- column: closing_count: Closings in the month / 当月离网次数
-- column: active_days: Days in status 1, active / 正常在用天数
-- column: suspended_days: Days in status 2, suspended at request / 申请停机天数
-- column: barred_outgoing_days: Days in status 3, barred outgoing for arrears / 欠费单停天数
-- column: barred_days: Days in status 4, barred both ways for arrears / 欠费双停天数
-- column: closed_days: Days in status 9, closed / 销户天数
-- column: arpu3_fen: ARPU3, mean of the bills of three months, rounded half up, fen / 近三月平均出账金额（分）
-- column: usage_day_count: Days with usage / 使用天数
-- column: voice_minutes: Voice, minutes / 通话时长（分钟）
-- column: message_count: Messages / 短信条数
-- column: data_mb: Data, MB / 流量（MB）
-- column: payment_count: Payments, without refunds and reversals / 缴费次数
-- column: payment_fen: Payments, net of refunds and reversals, fen / 缴费净额（分）
-- column: contact_count: Service contacts / 服务接触次数
-- column: complaint_count: Complaints among them / 投诉次数

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
