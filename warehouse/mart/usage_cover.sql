-- mart.usage_cover: sources of which all usage of the last days has come.
-- grain: one row per such source
-- key: source
-- for: build
-- reads: mart.horizon, ops.cycle, policy.warning
-- rule: all usage cycles of the source in the days that rule C5 looks at are there and complete
-- title: Sources with all usage of the last days / 近期使用详单齐全的省份
-- columns of policy.source: source
-- column: day_count: Days of which all has come / 齐全天数

with day as (
    select w.source, substr(c.cycle, 1, 8) as day, w.c5_silent_days as day_count
    from policy.warning as w
    cross join mart.horizon as h
    inner join ops.cycle as c
        on c.source = w.source and c.feed = 'USGE'
            and substr(c.cycle, 1, 8) <= strftime(h.as_of, '%Y%m%d')
            and substr(c.cycle, 1, 8) > strftime(h.as_of - cast(w.c5_silent_days as integer), '%Y%m%d')
    group by w.source, substr(c.cycle, 1, 8), w.c5_silent_days
    having bool_and(c.state = 'complete')
)

select source, day_count
from day
group by source, day_count
having count(*) = day_count
