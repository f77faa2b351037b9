-- mart.value_part: what a customer's score is the sum of, with the measures behind it.
-- grain: one row per customer that is not deleted and has an open subscriber
-- key: customer_id
-- entity: customer_id
-- for: build
-- reads: mart.customer_holding, mart.customer_service, mart.horizon, policy.band, policy.value, step_customer_bill
-- rule: points by the bands of the policy; growth has none without a bill of M-3; tenure is that of the oldest open
--   subscriber at the as-of date, whole months to the first day of its month
-- title: Parts of the value score / 客户价值评分构成
-- columns of core.customer: customer_id, source
-- columns of mart.customer_holding: tier, product_count
-- column: spend_fen: Sum of ARPU3 of the last closed month, fen / 近三月平均出账金额合计（分）
-- column: last_fen: Bills of the last closed month, fen / 最近已出账月应收（分）
-- column: former_fen: Bills of three months before it, fen / 三个月前应收（分）
-- column: bill_count: Bills of the last months / 近月账单数
-- column: settled_count: Those with nothing outstanding / 已结清账单数
-- column: clv_total_fen: Bills that CLV counts, fen / 终生价值计入账单（分）
-- column: clv_month_count: Months with a bill among them / 其中有账单的月数
-- column: tenure_months: Tenure of the oldest open subscriber, whole months / 最长在网时长（月）
-- column: complaint_count: Complaints of the last months / 近月投诉次数
-- column: spend_points: Points for spending / 消费得分
-- column: tenure_points: Points for tenure / 在网时长得分
-- column: payment_points: Points for paying / 缴费得分
-- column: product_points: Points for products / 产品得分
-- column: growth_points: Points for growth / 增长得分
-- column: complaint_points: Points for not complaining / 服务接触得分

with measured as (
    select
        c.customer_id, c.source, c.tier, c.product_count,
        coalesce(b.spend_fen, 0) as spend_fen, coalesce(b.last_fen, 0) as last_fen,
        coalesce(b.former_fen, 0) as former_fen, coalesce(b.bill_count, 0) as bill_count,
        coalesce(b.settled_count, 0) as settled_count, coalesce(b.clv_total_fen, 0) as clv_total_fen,
        coalesce(b.clv_month_count, 0) as clv_month_count,
        cast(greatest(
            (extract(year from h.as_of) - extract(year from c.oldest_open_date)) * 12
            + extract(month from h.as_of) - extract(month from c.oldest_open_date)
            - case when extract(day from c.oldest_open_date) > 1 then 1 else 0 end, 0
        ) as integer) as tenure_months,
        coalesce(s.value_complaint_count, 0) as complaint_count
    from mart.customer_holding as c
    cross join mart.horizon as h
    left join step_customer_bill as b on b.customer_id = c.customer_id
    left join mart.customer_service as s on s.customer_id = c.customer_id
    where c.open_count > 0
),

-- Apart from the select below: as one of its joins it would be done by one thread.
growth as (
    select m.customer_id, b.points
    from measured as m
    inner join policy.band as b on b.source = m.source and b.scale = 'growth' and m.former_fen > 0
        and m.last_fen >= b.at_least * m.former_fen and (b.below is null or m.last_fen < b.below * m.former_fen)
)

select
    m.*,
    spend.points as spend_points,
    tenure.points as tenure_points,
    case
        when m.bill_count > 0
            then (2 * m.settled_count * v.payment_points + m.bill_count) // (2 * m.bill_count)
        else 0
    end as payment_points,
    product.points as product_points,
    coalesce(growth.points, 0) as growth_points,
    complaint.points as complaint_points
from measured as m
inner join policy.value as v on v.source = m.source
inner join policy.band as spend on spend.source = m.source and spend.scale = 'spend'
    and m.spend_fen >= spend.at_least and (spend.below is null or m.spend_fen < spend.below)
inner join policy.band as tenure on tenure.source = m.source and tenure.scale = 'tenure'
    and m.tenure_months >= tenure.at_least and (tenure.below is null or m.tenure_months < tenure.below)
inner join policy.band as product on product.source = m.source and product.scale = 'product'
    and m.product_count >= product.at_least and (product.below is null or m.product_count < product.below)
inner join policy.band as complaint on complaint.source = m.source and complaint.scale = 'complaint'
    and m.complaint_count >= complaint.at_least and (complaint.below is null or m.complaint_count < complaint.below)
left join growth on growth.customer_id = m.customer_id
