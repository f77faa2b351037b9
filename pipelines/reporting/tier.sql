-- tier: how many subscribers have which tier.
-- grain: one row per source and tier that occurs
-- reads: mart.tier

select source, tier, count(*) as subscriber_count
from mart.tier
group by source, tier
