-- mart.churn_warning: who may be about to leave, and why.
-- grain: one row per open subscriber for which any rule fires
-- key: user_id
-- entity: user_id
-- reads: mart.churn_rule, policy.warning
-- rule: risk is the sum of the points, at most the policy's cap; level HIGH, MEDIUM or LOW by it
-- title: Churn warnings / 离网预警
-- columns of core.subscriber: user_id, source
-- column: rules: Rules that fire, joined by + / 触发规则（以 + 连接）
-- column: risk: Risk, sum of points, at most 100 / 风险分（最高 100）
-- column: level: Level of risk, HIGH, MEDIUM or LOW / 风险等级
-- column: evidence: What made each rule fire; amounts in fen / 触发依据（金额单位：分）

with summed as (
    select
        user_id, source,
        string_agg(rule, '+' order by rule) as rules,
        sum(points) as points,
        string_agg(rule || ' ' || evidence, ', ' order by rule) as evidence
    from mart.churn_rule
    group by user_id, source
)

select
    s.user_id, s.source, s.rules,
    cast(least(s.points, w.risk_cap) as integer) as risk,
    case
        when least(s.points, w.risk_cap) >= w.high_from then 'HIGH'
        when least(s.points, w.risk_cap) >= w.medium_from then 'MEDIUM'
        else 'LOW'
    end as level,
    s.evidence
from summed as s
inner join policy.warning as w on w.source = s.source
