-- warning: how many subscribers have a churn warning of which level.
-- grain: one row per source and level that occurs
-- reads: mart.churn_warning

select source, level, count(*) as subscriber_count
from mart.churn_warning
group by source, level
