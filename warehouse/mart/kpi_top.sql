-- mart.kpi_top: the KPI of the customers that pay most: top20_revenue_share.
-- grain: one row per month, source and KPI
-- key: month, source, tier, kpi
-- for: build
-- reads: mart.kpi_cell, policy.kpi, step_billed_customer
-- rule: what the top customers (top_share_rate of those billed, rounded up, by the bills' customer_id) are billed of all
--   totals of the month. Whom a tie lets in does not matter to the sum, so amounts are ranked: by whole yuan
--   first, and one by one only within the yuan at which the top ends.
-- title: KPIs of the customers that pay most / 高价值客户指标
-- columns of mart.kpi_cell: month, source, tier
-- column: kpi: KPI / 指标代码
-- column: numerator: Numerator, fen / 分子（分）
-- column: denominator: Denominator, fen / 分母（分）

with yuan as (
    select
        month, source, total_fen // 100 as yuan, sum(customer_count) as customer_count,
        sum(total_fen * customer_count) as total_fen
    from step_billed_customer
    group by month, source, total_fen // 100
),

ranked as (
    select
        month, source, yuan, customer_count,
        (sum(customer_count) over above) - customer_count as above_count,
        (sum(total_fen) over above) - total_fen as above_fen,
        sum(customer_count) over (partition by month, source) as all_count,
        sum(total_fen) over (partition by month, source) as all_fen
    from yuan
    window above as (partition by month, source order by yuan desc rows unbounded preceding)
),

border as (
    select
        r.month, r.source, r.yuan, r.above_fen, r.all_fen,
        ceil(k.top_share_rate * cast(r.all_count as bigint)) - r.above_count as left_count
    from ranked as r
    inner join policy.kpi as k on k.source = r.source
    where ceil(k.top_share_rate * cast(r.all_count as bigint)) - r.above_count between 1 and r.customer_count
),

amount as (
    select b.month, b.source, b.left_count, c.total_fen, c.customer_count
    from border as b
    inner join step_billed_customer as c
        on c.month = b.month and c.source = b.source and c.total_fen // 100 = b.yuan
),

placed as (
    select
        *,
        sum(customer_count) over (
            partition by month, source order by total_fen desc rows unbounded preceding
        ) - customer_count as above_count
    from amount
),

last_ones as (
    select
        month, source,
        sum(total_fen * least(customer_count, greatest(left_count - above_count, 0))) as total_fen
    from placed
    group by month, source
)

select
    c.month, c.source, c.tier, 'top20_revenue_share' as kpi,
    cast(b.above_fen + l.total_fen as bigint) as numerator,
    cast(b.all_fen as bigint) as denominator
from border as b
inner join last_ones as l on l.month = b.month and l.source = b.source
inner join mart.kpi_cell as c on c.month = b.month and c.source = b.source and c.tier = 'ALL'
