-- step_activity_month: what a subscriber used, paid and asked for in a month.
-- grain: one row per subscriber and month with usage, a payment or a contact that names it
-- key: subscriber_no, month_index
-- by: all
-- reads: core.contact, core.payment, core.usage, mart.horizon, step_number
-- rule: of all parts at once, for facts are many and read but once. They count by started_at, paid_at and arrived_at,
--   up to the end of the as-of date; days of usage are bits of a month, for each counts once. payment_fen is net of
--   refunds (kind 4) and reversals (9), payment_count counts neither.

with fact as (
    select
        user_id, started_at as at,
        cast(1 as bigint) << cast(extract(day from started_at) as integer) as usage_days,
        case when usage_type = 'V' then duration_s else 0 end as voice_s,
        case when usage_type = 'M' then 1 else 0 end as message_count,
        case when usage_type = 'D' then volume_kb else 0 end as data_kb,
        0 as payment_count, 0 as payment_fen, 0 as contact_count, 0 as complaint_count
    from core.usage
    where is_current
    union all
    select
        user_id, paid_at as at, 0 as usage_days, 0 as voice_s, 0 as message_count, 0 as data_kb,
        case when kind in ('4', '9') then 0 else 1 end as payment_count, amount_fen as payment_fen,
        0 as contact_count, 0 as complaint_count
    from core.payment
    where is_current
    union all
    select
        user_id, arrived_at as at, 0 as usage_days, 0 as voice_s, 0 as message_count, 0 as data_kb,
        0 as payment_count, 0 as payment_fen,
        1 as contact_count, case when purpose = 'COMPLAINT' then 1 else 0 end as complaint_count
    from core.contact
    where is_current
),

dated as (
    select
        n.subscriber_no,
        cast(extract(year from fact.at) * 12 + extract(month from fact.at) - 1 as integer) as month_index,
        fact.*
    from fact
    inner join step_number as n on n.user_id = fact.user_id
    inner join mart.horizon as h on fact.at < h.end_at
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
