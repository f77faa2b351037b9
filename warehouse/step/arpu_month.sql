-- step_arpu_month: the bills that the ARPU3 of a month counts.
-- grain: one row per subscriber and month that has such a bill
-- key: subscriber_no, month_index
-- reads: policy.arpu_month, step_bill
-- rule: ARPU3 of m is the mean of total_fen over those of m, m-1, m-2 that have a bill: total_fen / bill_count,
--   compared as such

select
    b.subscriber_no,
    cast(b.month_index + o.month_offset as integer) as month_index,
    cast(sum(b.total_fen) as bigint) as total_fen,
    cast(count(*) as integer) as bill_count
from step_bill as b
cross join policy.arpu_month as o
group by b.subscriber_no, b.month_index + o.month_offset
