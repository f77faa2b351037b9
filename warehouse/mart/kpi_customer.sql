-- mart.kpi_customer: the KPI that counts customers: customer_share.
-- grain: one row per month, source, tier and KPI
-- key: month, source, tier, kpi
-- for: build
-- reads: mart.bill_month, mart.customer_product, mart.kpi_cell, mart.month, policy.history, policy.kpi
-- rule: distinct (customer, product) open at the end of the month against as many as there could be, share_products for
--   each distinct customer; each source, each tier and ALL of them count anew who is distinct. Sets of months are bits,
--   1 for the last month of the source or of ALL and doubled for each before it, so that nobody is counted by month.
-- title: KPIs that count customers / 客户类指标
-- columns of mart.kpi_cell: month, source, tier
-- column: kpi: KPI / 指标代码
-- column: numerator: Numerator, products of customers / 分子（客户产品数）
-- column: denominator: Denominator, products that they could have / 分母（客户可有产品数）

with last_month as (
    select source, month_index from mart.bill_month
    union all
    select 'ALL' as source, max(month_index) as month_index from mart.bill_month
),

-- Months that are too far back for ALL are left out of the set before it is moved on to the last month of ALL.
everywhere as (
    select
        p.tier, p.customer_id, p.product,
        (p.months & ((cast(1 as bigint) << (h.kpi_months + 1 - (l.month_index - b.month_index))) - 1))
        << (l.month_index - b.month_index) as months
    from mart.customer_product as p
    inner join mart.bill_month as b on b.source = p.source
    inner join last_month as l on l.source = 'ALL'
    cross join policy.history as h
    where l.month_index - b.month_index <= h.kpi_months
),

held as (
    select source, tier, customer_id, product, months from mart.customer_product
    union all
    select 'ALL' as source, tier, customer_id, product, months from everywhere
),

distinct_set as (
    select
        source, customer_id,
        case when grouping(tier) = 1 then 'ALL' else tier end as tier,
        grouping(product) = 1 as is_customer,
        bit_or(months) as months
    from held
    group by grouping sets (
        (source, tier, customer_id, product), (source, customer_id, product),
        (source, tier, customer_id), (source, customer_id)
    )
),

counted as (
    select
        source, tier, months,
        count(case when not is_customer then 1 end) as product_count,
        count(case when is_customer then 1 end) as customer_count
    from distinct_set
    group by source, tier, months
)

select
    c.month, c.source, c.tier, 'customer_share' as kpi,
    cast(sum(n.product_count) as bigint) as numerator,
    cast(k.share_products * sum(n.customer_count) as bigint) as denominator
from mart.kpi_cell as c
inner join mart.month as m on m.month = c.month
inner join last_month as l on l.source = c.source
inner join policy.kpi as k on k.source = c.source
inner join counted as n
    on n.source = c.source and n.tier = c.tier and (n.months >> (l.month_index - m.month_index)) & 1 = 1
group by c.month, c.source, c.tier, k.share_products
