-- mart.bill_tier_month: bills summed up as KPIs count them, but for those of subscribers that are not known.
-- grain: one row per month, source, tier (null where the subscriber was not open by then) and part of the subscribers
-- key: none, since every part adds its own rows
-- by: part
-- reads: mart.month, policy.tier, step_bill, step_tier_month
-- rule: a bill counts for its subscriber's source and tier of the month; before the opening only for its file's source

with counted as (
    select
        m.month, coalesce(t.source, b.source) as source, t.rank,
        sum(b.total_fen) as total_fen, sum(b.outstanding_fen) as outstanding_fen, count(*) as bill_count
    from step_bill as b
    inner join mart.month as m on m.month_index = b.month_index
    left join step_tier_month as t on t.subscriber_no = b.subscriber_no and t.month_index = b.month_index
    group by m.month, coalesce(t.source, b.source), t.rank
)

select c.month, c.source, r.tier, c.total_fen, c.outstanding_fen, c.bill_count
from counted as c
left join policy.tier as r on r.source = c.source and r.rank = c.rank
