-- conflict: how many open subscribers the TIER list leaves out, for it gives their number to another.
-- grain: one row per source with such subscribers
-- reads: list.tier_number_conflict

select source, count(*) as subscriber_count
from list.tier_number_conflict
group by source
