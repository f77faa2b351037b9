-- mart.churn_rule: the rules of churn warnings that fire, each with its evidence.
-- grain: one row per open subscriber and rule that fires
-- key: user_id, rule
-- entity: user_id
-- reads: mart.horizon, mart.subscriber_state, policy.warning, step_bill_pair, step_silent, step_status_run, step_top_up
-- rule: C1 and C2 without a break in a barred or suspended status; C3 a large top-up with little of its time or amount
--   left; C4 a bill much below the one before; C5 billed, active, and silent
-- title: Rules of churn warnings that fire / 触发的离网预警规则
-- columns of core.subscriber: user_id, source
-- column: rule: Rule / 规则
-- column: points: Points of the rule / 分值
-- column: evidence: What made it fire; amounts in fen / 触发依据（金额单位：分）

with fired as (
    select s.user_id, s.source, 'C1' as rule, w.c1_points as points,
        'status=' || s.status || ' since=' || strftime(r.since, '%Y%m%d') as evidence
    from mart.subscriber_state as s
    cross join mart.horizon as h
    inner join policy.warning as w on w.source = s.source
    inner join step_status_run as r on r.user_id = s.user_id and r.rule = 'C1'
    where r.since <= h.end_at - w.c1_unbroken_days * interval 1 day
    union all
    select s.user_id, s.source, 'C2' as rule, w.c2_points as points,
        'status=' || s.status || ' since=' || strftime(r.since, '%Y%m%d') as evidence
    from mart.subscriber_state as s
    cross join mart.horizon as h
    inner join policy.warning as w on w.source = s.source
    inner join step_status_run as r on r.user_id = s.user_id and r.rule = 'C2'
    where extract(day from h.as_of) >= w.c2_from_day_of_month
        and r.since < date_trunc('month', h.as_of)
    union all
    select s.user_id, s.source, 'C3' as rule, w.c3_points as points,
        'top_up=' || t.amount_fen || ' balance=' || s.balance_fen
        || coalesce(' expiry=' || strftime(s.balance_expiry, '%Y%m%d'), '') as evidence
    from mart.subscriber_state as s
    cross join mart.horizon as h
    inner join policy.warning as w on w.source = s.source and w.c3_pay_mode = s.pay_mode
    inner join step_top_up as t on t.user_id = s.user_id
    where s.balance_fen < w.c3_balance_below_fen
        or date_trunc('month', s.balance_expiry)
        = date_trunc('month', h.as_of) + w.c3_expiry_after_months * interval 1 month
    union all
    select s.user_id, s.source, 'C4' as rule, w.c4_points as points,
        b.former_month || '=' || b.former_fen || ' ' || b.bill_month || '=' || b.total_fen as evidence
    from mart.subscriber_state as s
    inner join policy.warning as w on w.source = s.source
    inner join step_bill_pair as b on b.user_id = s.user_id
    where b.former_fen > w.c4_bill_above_fen
        and b.total_fen <= w.c4_remaining_rate * b.former_fen
    union all
    select s.user_id, s.source, 'C5' as rule, w.c5_points as points,
        b.bill_month || '=' || b.total_fen || ' silent_days=' || n.day_count as evidence
    from mart.subscriber_state as s
    inner join policy.warning as w on w.source = s.source and w.c5_status = s.status
    inner join step_bill_pair as b on b.user_id = s.user_id
    inner join step_silent as n on n.user_id = s.user_id
    where b.total_fen > w.c5_bill_above_fen
)

select f.user_id, f.source, f.rule, f.points, f.evidence
from fired as f
inner join mart.subscriber_state as s on s.user_id = f.user_id and s.status <> '9'
