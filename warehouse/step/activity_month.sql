-- step_activity_month: what a subscriber used, paid and asked for in a month.
-- grain: one row per subscriber and month with usage, a payment or a contact that names it
-- key: subscriber_no, month_index
-- by: all
-- reads: core.contact, core.payment, core.usage, mart.horizon, step_number
-- rule: of all parts at once, for facts are many and read but once; summed up before they are joined, for rows of sums
--   are fewer. They count by started_at, paid_at and arrived_at, up to the end of the as-of date; days of usage are bits
--   of a month, for each counts once. payment_fen is net of
--   refunds (kind 4) and reversals (9), payment_count counts neither.

with fact as (
    select
        user_id, date_trunc('month', started_at) as month,
        bit_or(cast(1 as bigint) << cast(extract(day from started_at) as integer)) as usage_days,
        sum(case when usage_type = 'V' then duration_s else 0 end) as voice_s,
        count(case when usage_type = 'M' then 1 end) as message_count,
        sum(case when usage_type = 'D' then volume_kb else 0 end) as data_kb,
        0 as payment_count, 0 as payment_fen, 0 as contact_count, 0 as complaint_count
    from core.usage
    cross join mart.horizon as h
    where is_current and started_at < h.end_at
    group by user_id, date_trunc('month', started_at)
    union all
    select
        user_id, date_trunc('month', paid_at) as month,
        0 as usage_days, 0 as voice_s, 0 as message_count, 0 as data_kb,
        sum(case when kind in ('4', '9') then 0 else 1 end) as payment_count, sum(amount_fen) as payment_fen,
        0 as contact_count, 0 as complaint_count
    from core.payment
    cross join mart.horizon as h
    where is_current and paid_at < h.end_at
    group by user_id, date_trunc('month', paid_at)
    union all
    select
        user_id, date_trunc('month', arrived_at) as month,
        0 as usage_days, 0 as voice_s, 0 as message_count, 0 as data_kb, 0 as payment_count, 0 as payment_fen,
        count(*) as contact_count, count(case when purpose = 'COMPLAINT' then 1 end) as complaint_count
    from core.contact
    cross join mart.horizon as h
    where is_current and arrived_at < h.end_at
    group by user_id, date_trunc('month', arrived_at)
),

dated as (
    select
        n.subscriber_no,
        cast(extract(year from fact.month) * 12 + extract(month from fact.month) - 1 as integer) as month_index,
        fact.*
    from fact
    inner join step_number as n on n.user_id = fact.user_id
)

select
    dated.subscriber_no, dated.month_index,
    cast(bit_count(bit_or(usage_days)) as integer) as usage_day_count,
    cast(sum(voice_s) as bigint) as voice_s,
    cast(sum(message_count) as integer) as message_count,
    cast(sum(data_kb) as bigint) as data_kb,
    cast(sum(payment_count) as integer) as payment_count,
    cast(sum(payment_fen) as bigint) as payment_fen,
    cast(sum(contact_count) as integer) as contact_count,
    cast(sum(complaint_count) as integer) as complaint_count
from dated
inner join mart.horizon as h on dated.month_index >= h.first_month_index
group by dated.subscriber_no, dated.month_index
