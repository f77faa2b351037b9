-- call: how many subscribers which campaign calls, and how many calls are held back by what.
-- grain: one row per source, campaign and cause that occur together
-- reads: mart.call_choice
-- rule: cause is CALLED where nothing holds the call back

select source, campaign, coalesce(cause, 'CALLED') as cause, count(*) as call_count
from mart.call_choice
group by 1, 2, 3
