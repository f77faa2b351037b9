-- mart.bill_tier_month: bills summed up as KPIs count them, but for those of subscribers that are not known.
-- grain: one row per month, source, tier (null where the subscriber was not open by then) and part of the subscribers
-- key: none, since every part adds its own rows
-- by: part
-- reads: mart.month, policy.tier, step_bill, step_tier_month
-- rule: a bill counts for its subscriber's source and tier of the month; before the opening only for its file's source
-- title: Bills by month, source and tier / 按月、省份、客户层次汇总的账单
-- columns of mart.month: month
-- column: source: Source by which the bill counts / 归属省份
-- column: tier: Tier of the month; null before the opening / 当月客户层次
-- column: total_fen: Total, fen / 应收合计（分）
-- column: outstanding_fen: Outstanding, fen / 欠费金额（分）
-- column: bill_count: Bills / 账单数

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
