-- mart.bill_month: the last month that is closed for a source (M): what tiers, warnings, value and KPIs are worked
--   out for.
-- grain: one row per source that has closed a month
-- key: source
-- reads: ops.cycle, policy.source
-- rule: the latest month before the month of $as_of whose BILL cycle is complete in the ledger; $bill_month sets it
--   instead
-- title: Last closed month / 最近已出账月
-- columns of policy.source: source
-- column: bill_month: Last closed month, YYYYMM / 最近已出账月（YYYYMM）
-- column: month_index: The same in months since year 0 / 最近已出账月序号

with complete as (
    select source, max(cycle) as bill_month
    from ops.cycle
    where feed = 'BILL' and state = 'complete'
        and cycle < strftime(cast($as_of as date), '%Y%m')
    group by source
),

chosen as (
    select policy.source.source, coalesce(cast($bill_month as varchar), complete.bill_month) as bill_month
    from policy.source
    left join complete on complete.source = policy.source.source
    where policy.source.source <> 'ALL'
)

select
    source,
    bill_month,
    cast(substr(bill_month, 1, 4) as integer) * 12 + cast(substr(bill_month, 5, 2) as integer) - 1 as month_index
from chosen
where bill_month is not null
