-- mart.closing_rate: how many subscribers close, of those open at the start of a month: what CLV expects.
-- grain: one row per source and tier of the month that has any in these months
-- key: source, tier
-- for: build
-- reads: mart.bill_month, mart.closed_month, policy.value
-- rule: over the months M-11 to M of the source; a subscriber that closed twice counts twice
-- title: Closings by source and tier / 离网率（按省份与层次）
-- columns of mart.subscriber_month: source, tier
-- column: closing_count: Closings / 离网次数
-- column: open_count: Subscribers open at the start of each month, summed up / 月初在网用户数合计

select
    m.source, m.tier,
    cast(sum(m.closing_count) as bigint) as closing_count,
    cast(sum(m.open_at_start) as bigint) as open_count
from mart.closed_month as m
inner join mart.bill_month as b on b.source = m.source
inner join policy.value as v on v.source = m.source
where m.month_index <= b.month_index and m.month_index > b.month_index - v.clv_months
group by m.source, m.tier
