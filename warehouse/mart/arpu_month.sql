-- mart.arpu_month: the bills that the ARPU3 of a month counts.
-- grain: one row per subscriber and month that has such a bill
-- key: user_id, month_index
-- reads: core.bill, mart.horizon, mart.subscriber_span, policy.arpu_month
-- rule: ARPU3 of m is the mean of total_fen over those of m, m-1, m-2 that have a bill: total_fen / bill_count, and
--   compared as such; arpu3_fen is rounded half up to whole fen. Old bills matter only to those who closed long ago.

with bill as (
    select
        user_id,
        total_fen,
        cast(substr(billing_cycle, 1, 4) as integer) * 12 + cast(substr(billing_cycle, 5, 2) as integer) - 1
            as month_index
    from core.bill
    where is_current
),

counting as (
    select bill.*
    from bill
    cross join mart.horizon
    where bill.month_index <= mart.horizon.last_bill_month_index
        and (
            bill.month_index >= mart.horizon.first_bill_month_index
            or bill.user_id in (
                select mart.subscriber_span.user_id
                from mart.subscriber_span
                cross join mart.horizon as h
                where mart.subscriber_span.to_month_index < h.first_month_index
            )
        )
),

summed as (
    select
        counting.user_id,
        counting.month_index + policy.arpu_month.month_offset as month_index,
        cast(sum(counting.total_fen) as bigint) as total_fen,
        count(*) as bill_count
    from counting
    cross join policy.arpu_month
    group by counting.user_id, counting.month_index + policy.arpu_month.month_offset
)

select
    user_id, month_index, total_fen, bill_count,
    (2 * total_fen + bill_count) // (2 * bill_count) as arpu3_fen
from summed
