-- loyalty: how many customers are of which loyalty class.
-- grain: one row per source and class that occurs
-- reads: mart.loyalty

select source, class, count(*) as customer_count
from mart.loyalty
group by source, class
