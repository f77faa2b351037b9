-- mart.closed_month: subscriber months summed up as KPIs count them, of the months that their source has closed.
-- grain: one row per month, source and tier that has any
-- key: month, source, tier
-- for: build
-- reads: mart.bill_month, mart.subscriber_month
-- rule: what happens in a month that is not closed yet changes nothing here, and so no KPI
-- title: Closed months by source and tier / 已出账月汇总（按省份与层次）
-- columns of mart.subscriber_month: month, month_index, source, tier
-- column: open_at_start: Subscribers open at the start of the month / 月初在网用户数
-- column: open_at_end: Subscribers open at its end / 月末在网用户数
-- column: kept_count: Those open at both / 月初月末均在网用户数
-- column: closed_count: Subscribers that closed in it / 离网用户数
-- column: closing_count: Closings, of one subscriber twice where it closed twice / 离网次数
-- column: bill_count: Bills / 账单数
-- column: total_fen: Their totals, fen / 应收合计（分）
-- column: outstanding_fen: What is outstanding of them, fen / 欠费金额（分）
-- column: usage_day_count: Days of subscribers with usage / 用户使用天数

select
    m.month, m.month_index, m.source, m.tier,
    count(case when m.is_open_at_start then 1 end) as open_at_start,
    count(case when m.is_open_at_end then 1 end) as open_at_end,
    count(case when m.is_open_at_start and m.is_open_at_end then 1 end) as kept_count,
    count(case when m.closing_count > 0 then 1 end) as closed_count,
    cast(sum(m.closing_count) as bigint) as closing_count,
    count(m.total_fen) as bill_count,
    cast(coalesce(sum(m.total_fen), 0) as bigint) as total_fen,
    cast(coalesce(sum(m.outstanding_fen), 0) as bigint) as outstanding_fen,
    cast(sum(m.usage_day_count) as bigint) as usage_day_count
from mart.subscriber_month as m
inner join mart.bill_month as b on b.source = m.source and m.month_index <= b.month_index
group by m.month, m.month_index, m.source, m.tier
