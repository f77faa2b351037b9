-- mart.kpi_bill: the KPIs that count bills: arpu, arrears_rate.
-- grain: one row per month, source, tier and KPI
-- key: month, source, tier, kpi
-- reads: core.bill, mart.bill_month, mart.kpi_cell, mart.month, mart.subscriber, mart.subscriber_tier_month
-- rule: arpu is the sum of the month's totals (fen) by bill, arrears_rate what is outstanding of them. A bill counts for
--   its subscriber's source and tier of the month; one whose subscriber has no tier yet, or is not known, counts only
--   under tier ALL of its file's source.

with bill as (
    select
        b.billing_cycle as month,
        coalesce(t.source, b.source) as source,
        t.tier,
        b.total_fen, b.outstanding_fen
    from core.bill as b
    inner join mart.month as m on m.month = b.billing_cycle
    left join mart.subscriber as n on n.user_id = b.user_id
    left join mart.subscriber_tier_month as t on t.subscriber_no = n.subscriber_no and t.month_index = m.month_index
    where b.is_current
),

counted as (
    select
        bill.month, bill.source, bill.tier,
        sum(bill.total_fen) as total_fen, sum(bill.outstanding_fen) as outstanding_fen, count(*) as bill_count
    from bill
    inner join mart.bill_month on mart.bill_month.source = bill.source and bill.month <= mart.bill_month.bill_month
    group by bill.month, bill.source, bill.tier
),

totalled as (
    select
        month,
        case when grouping(source) = 1 then 'ALL' else source end as source,
        case when grouping(tier) = 1 then 'ALL' else tier end as tier,
        sum(total_fen) as total_fen, sum(outstanding_fen) as outstanding_fen, sum(bill_count) as bill_count
    from counted
    group by month, cube (source, tier)
),

cell as (
    select totalled.*
    from totalled
    inner join mart.kpi_cell as c
        on c.month = totalled.month and c.source = totalled.source and c.tier = totalled.tier
)

select month, source, tier, 'arpu' as kpi, total_fen as numerator, bill_count as denominator from cell
union all
select month, source, tier, 'arrears_rate' as kpi, outstanding_fen as numerator, total_fen as denominator from cell
