-- list.card: the CARD list: what an agent sees of a caller.
-- grain: one row per subscriber, closed ones too, and one without a user_id per customer that has none
-- key: customer_id, user_id
-- entity: customer_id
-- reads: mart.customer_holding, mart.customer_state, mart.loyalty, mart.work_order_state, policy.action,
--   step_last_bill, step_last_contact, step_last_payment, step_owed, step_served
-- rule: last_bill_total_fen is the newest bill's, outstanding_fen that of all issued bills; risk is 0 without a warning;
--   advice is that of the customer's loyalty class and the subscriber's tier
-- title: CARD list / 客户视图
-- columns of core.customer: customer_name
-- columns of core.subscriber: customer_id, user_id, service_number, status, plan_code, balance_fen, source
-- columns of mart.tier: tier
-- columns of mart.value: segment
-- columns of policy.action: advice
-- column: loyalty_class: Loyalty class of the customer / 忠诚度类别
-- column: last_bill_total_fen: Total of the newest bill, fen / 最近账单应收（分）
-- column: outstanding_fen: Outstanding of issued bills, fen / 欠费金额（分）
-- column: last_payment_at: Time of the newest payment / 最近缴费时间
-- column: last_payment_fen: Its amount, fen / 最近缴费金额（分）
-- column: open_work_orders: Work orders that are not closed / 未结工单数
-- column: last_contact_at: Time of the newest contact / 最近接触时间
-- column: last_purpose: Its purpose / 最近接触目的
-- column: risk: Risk of leaving, 0 to 100 / 离网风险分

with open_order as (
    select user_id, count(*) as order_count
    from mart.work_order_state
    where status <> 'CLOSED'
    group by user_id
),

shown as (
    select
        customer_id, user_id, service_number, customer_name, tier, class, segment, status, plan_code, balance_fen, risk,
        source
    from step_served
    union all
    select
        c.customer_id, null as user_id, null as service_number, c.customer_name, l.tier, l.class, null as segment,
        null as status, null as plan_code, null as balance_fen, null as risk, c.source
    from mart.loyalty as l
    inner join mart.customer_holding as h on h.customer_id = l.customer_id and h.subscriber_count = 0
    inner join mart.customer_state as c on c.customer_id = l.customer_id
)

select
    s.customer_id, s.user_id, s.service_number, s.customer_name, s.tier, s.class as loyalty_class, s.segment, s.status,
    s.plan_code, s.balance_fen,
    b.total_fen as last_bill_total_fen,
    coalesce(o.outstanding_fen, 0) as outstanding_fen,
    p.paid_at as last_payment_at,
    p.amount_fen as last_payment_fen,
    coalesce(w.order_count, 0) as open_work_orders,
    c.arrived_at as last_contact_at,
    nullif(c.purpose, '') as last_purpose,
    coalesce(s.risk, 0) as risk,
    a.advice, s.source
from shown as s
left join policy.action as a on a.source = s.source and a.class = s.class and a.tier = s.tier
left join step_last_bill as b on b.user_id = s.user_id
left join step_owed as o on o.user_id = s.user_id
left join step_last_payment as p on p.user_id = s.user_id
left join step_last_contact as c on c.user_id = s.user_id
left join open_order as w on w.user_id = s.user_id
