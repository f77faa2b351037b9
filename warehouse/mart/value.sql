-- mart.value: what a customer is worth: score, segment, lifetime value and Pareto class.
-- grain: one row per customer that is not deleted and has an open subscriber
-- key: customer_id
-- reads: mart.closing_rate, mart.value_part, policy.value
-- rule: CLV is the mean monthly total of the months with a bill x expected months: open_count / closing_count of the
--   customer's source and tier, at most the policy's cap, which holds where nobody closed too; whole fen, half up.
--   Pareto: customers of a source by their bills of M; class A while what is before is below the policy's share.
-- title: Customer value / 客户价值
-- columns of mart.value_part: customer_id, source
-- column: score: Score, 0 to 100 / 价值得分
-- column: segment: Segment, KEY, POTENTIAL, NORMAL or TEMPORARY / 价值分群
-- column: clv_fen: Lifetime value, fen / 客户终生价值（分）
-- column: pareto_class: Pareto class, A, B or C / 二八分类

with scored as (
    select
        p.*,
        p.spend_points + p.tenure_points + p.payment_points + p.product_points + p.growth_points + p.complaint_points
            as score,
        coalesce(r.closing_count, 0) as closing_count,
        coalesce(r.open_count, 0) as open_count
    from mart.value_part as p
    left join mart.closing_rate as r on r.source = p.source and r.tier = p.tier
),

-- Expected months as a fraction, so that nothing is rounded before the end.
expected as (
    select
        s.*,
        case when s.closing_count = 0 or s.open_count >= v.clv_cap_months * s.closing_count or s.open_count = 0
            then v.clv_cap_months else s.open_count end as months_over,
        case when s.closing_count = 0 or s.open_count >= v.clv_cap_months * s.closing_count or s.open_count = 0
            then 1 else s.closing_count end as months_under
    from scored as s
    inner join policy.value as v on v.source = s.source
),

placed as (
    select
        *,
        sum(last_fen) over (partition by source order by last_fen desc, customer_id rows unbounded preceding) - last_fen
            as fen_before,
        sum(last_fen) over (partition by source) as source_fen
    from expected
)

select
    p.customer_id, p.source,
    cast(p.score as integer) as score,
    case
        when p.score >= v.key_score then 'KEY'
        when p.score >= v.potential_score or (p.growth_points >= v.growing_points and p.score >= v.growing_score)
            then 'POTENTIAL'
        when p.score >= v.normal_score then 'NORMAL'
        else 'TEMPORARY'
    end as segment,
    cast(case when p.clv_month_count > 0
        then (2 * cast(p.clv_total_fen as hugeint) * p.months_over + p.clv_month_count * p.months_under)
            // (2 * p.clv_month_count * p.months_under)
        else 0 end as bigint) as clv_fen,
    case
        when p.fen_before < v.pareto_a_rate * p.source_fen then 'A'
        when p.fen_before < v.pareto_b_rate * p.source_fen then 'B'
        else 'C'
    end as pareto_class
from placed as p
inner join policy.value as v on v.source = p.source
