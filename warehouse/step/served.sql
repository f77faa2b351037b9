-- step_served: subscribers as the lists show them: with tier, warning, and class of their customer.
-- grain: one row per subscriber that has a state at the as-of date
-- key: user_id
-- by: all
-- reads: mart.arpu, mart.churn_warning, mart.customer_state, mart.loyalty, mart.subscriber_last_tier,
--   mart.subscriber_state, mart.tier, mart.value, policy.tier
-- rule: the tier of a closed subscriber is that of its last month; who has none has the lowest

with lowest as (
    select source, max_by(tier, rank) as tier
    from policy.tier
    group by source
)

select
    s.user_id, s.customer_id, s.source, s.service_number, s.product, s.plan_code, s.status, s.balance_fen,
    coalesce(t.tier, past.tier, lowest.tier) as tier,
    a.arpu3_fen,
    w.rules, w.risk, w.level, w.evidence,
    c.customer_name, c.customer_type, c.birth_date, c.marketing_consent,
    coalesce(c.blacklisted = 'Y', false) as is_blacklisted,
    l.class, v.segment
from mart.subscriber_state as s
inner join lowest on lowest.source = s.source
left join mart.tier as t on t.user_id = s.user_id
left join mart.arpu as a on a.user_id = s.user_id and a.month_offset = 0
left join mart.subscriber_last_tier as past on past.user_id = s.user_id
left join mart.churn_warning as w on w.user_id = s.user_id
left join mart.customer_state as c on c.customer_id = s.customer_id
left join mart.loyalty as l on l.customer_id = s.customer_id
left join mart.value as v on v.customer_id = s.customer_id
