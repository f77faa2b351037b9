-- warning_rule: for how many subscribers which rule of churn warnings fires, by the level of their warning.
-- grain: one row per source, rule and level that occur together
-- reads: mart.churn_rule, mart.churn_warning
-- rule: a subscriber counts once for every rule that fires

select r.source, r.rule, w.level, count(*) as subscriber_count
from mart.churn_rule as r
inner join mart.churn_warning as w on w.user_id = r.user_id
group by r.source, r.rule, w.level
