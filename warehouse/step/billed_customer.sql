-- step_billed_customer: how many customers are billed which amount for a month, for each source and for ALL.
-- grain: one row per month, source (or ALL) and amount
-- key: month, source, total_fen
-- by: all
-- reads: core.bill, mart.kpi_cell, mart.moved_bill
-- rule: a bill counts for its customer_id, and for its subscriber's source of the month

with bill as not materialized (
    select b.billing_cycle as month, coalesce(m.source, b.source) as source, b.customer_id, b.total_fen
    from core.bill as b
    left join mart.moved_bill as m on m.user_id = b.user_id and m.month = b.billing_cycle
    inner join mart.kpi_cell as c
        on c.month = b.billing_cycle and c.source = coalesce(m.source, b.source) and c.tier = 'ALL'
    where b.is_current
),

-- Nearly every customer is of one source, and counts there as it does for ALL: only the others are summed up twice.
everywhere as materialized (
    select
        month, customer_id, min(source) as first_source, max(source) as last_source,
        cast(sum(total_fen) as bigint) as total_fen
    from bill
    group by month, customer_id
),

several as (
    select month, source, customer_id, cast(sum(total_fen) as bigint) as total_fen
    from bill
    where (month, customer_id) in (
        select month, customer_id
        from everywhere
        where first_source <> last_source
    )
    group by month, source, customer_id
)

select month, source, total_fen, sum(customer_count) as customer_count
from (
    select
        month, total_fen, unnest(case when first_source = last_source then ['ALL', first_source] else ['ALL'] end)
            as source,
        customer_count
    from (
        select month, first_source, last_source, total_fen, count(*) as customer_count
        from everywhere
        group by month, first_source, last_source, total_fen
    ) as amount
    union all
    select month, total_fen, source, count(*) as customer_count
    from several
    group by month, source, total_fen
) as counted
group by month, source, total_fen
