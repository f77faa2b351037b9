-- mart.kpi_feed: the KPIs of the feeds: feed_on_time_rate, feed_first_pass_rate, reject_rate.
-- grain: one row per month, source, feed and KPI
-- key: month, source, tier, feed, kpi
-- for: build
-- reads: mart.bill_month, mart.kpi_cell, ops.batch, ops.cycle
-- rule: of the cycles within the month, as the ledger was at the build: complete in time of those due, among which
--   are those that never came; SEQ whose standing version is the first that was offered of those with a standing one;
--   rows rejected of the records of these. They tell of the processing, so the same files can give others.
-- title: KPIs of feeds / 接口类指标
-- columns of mart.kpi_cell: month, source, tier
-- column: feed: Feed / 接口代码
-- column: kpi: KPI / 指标代码
-- column: numerator: Numerator, cycles, files or rows / 分子（周期数、文件数或记录数）
-- column: denominator: Denominator, cycles, files or rows / 分母（周期数、文件数或记录数）

with counted as (
    select
        substr(cycle, 1, 6) as month, source, feed,
        count(*) as due_count,
        count(case when state = 'complete' and is_on_time then 1 end) as on_time_count,
        0 as standing_count, 0 as first_pass_count, 0 as records, 0 as rejected
    from ops.cycle
    where is_on_time is not null
    group by substr(cycle, 1, 6), source, feed
    union all
    select
        substr(cycle, 1, 6) as month, source, feed, 0 as due_count, 0 as on_time_count,
        count(*) as standing_count,
        count(case when offered_no = 1 then 1 end) as first_pass_count,
        cast(sum(records) as bigint) as records,
        cast(sum(rejected) as bigint) as rejected
    from ops.batch
    where state in ('staged', 'loaded')
    group by substr(cycle, 1, 6), source, feed
),

totalled as (
    select
        n.month, n.feed,
        case when grouping(n.source) = 1 then 'ALL' else n.source end as source,
        cast(sum(n.due_count) as bigint) as due_count, cast(sum(n.on_time_count) as bigint) as on_time_count,
        cast(sum(n.standing_count) as bigint) as standing_count,
        cast(sum(n.first_pass_count) as bigint) as first_pass_count,
        cast(sum(n.records) as bigint) as records, cast(sum(n.rejected) as bigint) as rejected
    from counted as n
    inner join mart.bill_month as b on b.source = n.source and n.month <= b.bill_month
    group by grouping sets ((n.month, n.feed, n.source), (n.month, n.feed))
),

cell as (
    select c.tier, t.*
    from totalled as t
    inner join mart.kpi_cell as c on c.month = t.month and c.source = t.source and c.tier = 'ALL'
)

select
    month, source, tier, feed, 'feed_on_time_rate' as kpi, on_time_count as numerator, due_count as denominator
from cell
union all
select
    month, source, tier, feed, 'feed_first_pass_rate' as kpi, first_pass_count as numerator,
    standing_count as denominator
from cell
union all
select month, source, tier, feed, 'reject_rate' as kpi, rejected as numerator, records as denominator from cell
