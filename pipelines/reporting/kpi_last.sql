-- kpi_last: the KPIs of the last closed month of each source.
-- grain: one row per source (or ALL), tier (or ALL), feed (null but for KPIs of feeds) and KPI
-- reads: mart.bill_month, mart.kpi
-- rule: the last month of all sources together is the latest of any; where less is better a target is met from below

with last_month as (
    select source, bill_month from mart.bill_month
    union all
    select 'ALL' as source, max(bill_month) as bill_month from mart.bill_month
)

select
    k.source, k.tier, k.feed, k.kpi, k.month, k.numerator, k.denominator, k.value, k.target,
    case
        when k.kpi in ('churn_rate', 'abandon_rate', 'complaints_per_10k', 'arrears_rate', 'reject_rate')
            then k.value <= k.target
        else k.value >= k.target
    end as is_met
from mart.kpi as k
inner join last_month as l on l.source = k.source and l.bill_month = k.month
