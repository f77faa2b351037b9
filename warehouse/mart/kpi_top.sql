-- mart.kpi_top: the KPI of the customers that pay most: top20_revenue_share.
-- grain: one row per month, source and KPI
-- key: month, source, tier, kpi
-- reads: core.bill, mart.kpi_cell, mart.moved_bill, policy.kpi
-- rule: what the top customers (top_share_rate of those billed, rounded up, by the bills' customer_id) are billed of all
--   totals of the month. Whom a tie lets in does not matter to the sum, so amounts are ranked and no customers.
-- title: KPIs of the customers that pay most / 高价值客户指标
-- columns of mart.kpi_cell: month, source, tier
-- column: kpi: KPI / 指标代码
-- column: numerator: Numerator, fen / 分子（分）
-- column: denominator: Denominator, fen / 分母（分）

with bill as (
    select b.billing_cycle as month, coalesce(m.source, b.source) as source, b.customer_id, b.total_fen
    from core.bill as b
    left join mart.moved_bill as m on m.user_id = b.user_id and m.month = b.billing_cycle
    where b.is_current
),

customer as (
    select
        b.month, b.customer_id,
        case when grouping(b.source) = 1 then 'ALL' else b.source end as source,
        cast(sum(b.total_fen) as bigint) as total_fen
    from bill as b
    inner join mart.kpi_cell as c on c.month = b.month and c.source = b.source and c.tier = 'ALL'
    group by grouping sets ((b.month, b.customer_id, b.source), (b.month, b.customer_id))
),

amount as (
    select month, source, total_fen, count(*) as customer_count
    from customer
    group by month, source, total_fen
),

ranked as (
    select
        month, source, total_fen, customer_count,
        sum(customer_count) over (
            partition by month, source order by total_fen desc rows unbounded preceding
        ) - customer_count as above_count,
        cast(sum(customer_count) over (partition by month, source) as bigint) as all_count
    from amount
),

top as (
    select
        r.month, r.source, r.total_fen, r.customer_count,
        least(r.customer_count, greatest(ceil(k.top_share_rate * r.all_count) - r.above_count, 0)) as top_count
    from ranked as r
    inner join policy.kpi as k on k.source = r.source
)

select
    c.month, c.source, c.tier, 'top20_revenue_share' as kpi,
    cast(sum(t.total_fen * t.top_count) as bigint) as numerator,
    cast(sum(t.total_fen * t.customer_count) as bigint) as denominator
from top as t
inner join mart.kpi_cell as c on c.month = t.month and c.source = t.source and c.tier = 'ALL'
group by c.month, c.source, c.tier
