-- source: the sources with their titles, last closed months, subscribers and customers.
-- grain: one row per source
-- reads: core.area, mart.bill_month, mart.loyalty, mart.subscriber_state, policy.source
-- rule: a subscriber counts while it is open, whatever its product; a source is the first two digits of its province's
--   code and 0, and has no title where there is no such province

with subscriber as (
    select source, count(*) as subscriber_count
    from mart.subscriber_state
    where status <> '9'
    group by source
),

customer as (
    select source, count(*) as customer_count
    from mart.loyalty
    group by source
)

select
    p.source, a.title_en, a.title_zh, b.bill_month,
    coalesce(s.subscriber_count, 0) as subscriber_count,
    coalesce(c.customer_count, 0) as customer_count
from policy.source as p
left join core.area as a on left(a.code, 2) || '0' = p.source and right(a.code, 4) = '0000'
left join mart.bill_month as b on b.source = p.source
left join subscriber as s on s.source = p.source
left join customer as c on c.source = p.source
where p.source <> 'ALL'
order by p.source
