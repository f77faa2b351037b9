-- mart.customer_product: which product a customer had open by a subscriber at the ends of which months.
-- grain: one row per subscriber, run of months for which one period stands, source and tier of the months
-- key: user_id, from_month_index, source, tier
-- entity: user_id
-- by: part
-- for: build
-- reads: mart.bill_month, policy.history, policy.tier, step_attribute, step_status_month, step_subscriber,
--   step_tier_month
-- rule: months is a set: 1 for the source's last closed month, doubled for each month before it, as far as KPIs reach
-- title: Customers' products / 客户产品
-- columns of core.subscriber: user_id, customer_id, product
-- column: from_month_index: First month for which the period stands, in months since year 0 / 起始月序号
-- column: source: Source that stands for the months / 归属省份
-- column: tier: Tier of the months / 客户层次
-- column: months: Months at whose ends it was open, as bits / 月末在网月份（位图）

with open_month as (
    select
        s.subscriber_no, s.month_index, t.source, t.rank,
        cast(1 as bigint) << (b.month_index - s.month_index) as month_bit
    from step_status_month as s
    inner join step_tier_month as t on t.subscriber_no = s.subscriber_no and t.month_index = s.month_index
    inner join mart.bill_month as b on b.source = t.source
    cross join policy.history as h
    where s.is_open_at_end and s.month_index between b.month_index - h.kpi_months and b.month_index
),

held as (
    select o.subscriber_no, a.from_month_index, o.source, o.rank, bit_or(o.month_bit) as months
    from open_month as o
    inner join step_attribute as a
        on a.subscriber_no = o.subscriber_no and o.month_index between a.from_month_index and a.to_month_index
    group by o.subscriber_no, a.from_month_index, o.source, o.rank
)

select n.user_id, h.from_month_index, h.source, r.tier, a.customer_id, a.product, h.months
from held as h
inner join step_subscriber as n on n.subscriber_no = h.subscriber_no
inner join step_attribute as a on a.subscriber_no = h.subscriber_no and a.from_month_index = h.from_month_index
inner join policy.tier as r on r.source = h.source and r.rank = h.rank
