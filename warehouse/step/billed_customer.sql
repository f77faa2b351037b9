-- step_billed_customer: what customers are billed for a month, for each source and for ALL.
-- grain: one row per month, source (or ALL) and customer that has a bill; who it is does not matter to what is read
-- key: none
-- by: all
-- reads: core.bill, mart.kpi_cell, mart.moved_bill
-- rule: a bill counts for its customer_id, and for its subscriber's source of the month

with bill as (
    select b.billing_cycle as month, coalesce(m.source, b.source) as source, b.customer_id, b.total_fen
    from core.bill as b
    left join mart.moved_bill as m on m.user_id = b.user_id and m.month = b.billing_cycle
    where b.is_current
),

-- Nearly every customer is of one source, and counts there as it does for ALL: only the others are summed up twice.
everywhere as (
    select
        b.month, b.customer_id, min(b.source) as first_source, max(b.source) as last_source,
        cast(sum(b.total_fen) as bigint) as total_fen
    from bill as b
    inner join mart.kpi_cell as c on c.month = b.month and c.source = b.source and c.tier = 'ALL'
    group by b.month, b.customer_id
),

several as (
    select b.month, b.source, b.customer_id, cast(sum(b.total_fen) as bigint) as total_fen
    from bill as b
    inner join everywhere as e
        on e.month = b.month and e.customer_id = b.customer_id and e.first_source <> e.last_source
    inner join mart.kpi_cell as c on c.month = b.month and c.source = b.source and c.tier = 'ALL'
    group by b.month, b.source, b.customer_id
)

select month, 'ALL' as source, total_fen from everywhere
union all
select month, first_source as source, total_fen from everywhere
where first_source = last_source
union all
select month, source, total_fen from several
