-- movement: how many subscribers had which tier in the former state, and have which now.
-- grain: one row per source, former and present tier that occur together
-- reads: former.mart.tier, mart.tier
-- rule: former_tier is null for who had none, tier for who has none any more; who moved to another source counts there

select
    coalesce(present.source, before.source) as source,
    before.tier as former_tier,
    present.tier,
    count(*) as subscriber_count
from mart.tier as present
full outer join former.mart.tier as before on before.user_id = present.user_id
group by 1, 2, 3
