-- segment: how many customers are of which value segment and Pareto class.
-- grain: one row per source, segment and Pareto class that occur together
-- reads: mart.value

select source, segment, pareto_class, count(*) as customer_count
from mart.value
group by source, segment, pareto_class
