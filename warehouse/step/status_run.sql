-- step_status_run: since when a subscriber has been in one of the statuses that a rule of churn warnings names.
-- grain: one row per subscriber whose status at the as-of date is one of these, and rule
-- key: user_id, rule
-- by: all
-- reads: core.subscriber, mart.horizon, mart.subscriber_state, policy.code
-- rule: without a break: each period begins where the one before ends, and all are in statuses that the rule of the
--   source at the as-of date names; what was before the first period is not known

with named as (
    select source, substr(name, 10, 2) as rule, code as status
    from policy.code
    where name in ('warnings.C1.statuses', 'warnings.C2.statuses')
),

subject as (
    select s.user_id, s.source, s.status, n.rule
    from mart.subscriber_state as s
    inner join named as n on n.source = s.source and n.status = s.status
),

followed as (
    select
        p.user_id, p.status, p.valid_from,
        lag(p.valid_to) over (partition by p.user_id order by p.valid_from) as former_to,
        lag(p.status) over (partition by p.user_id order by p.valid_from) as former_status
    from core.subscriber as p
    cross join mart.horizon as h
    where p.valid_from < h.end_at and p.user_id in (select user_id from subject)
),

-- A run begins with each period that no period in such a status touches; the last of these is the one at hand.
beginning as (
    select s.user_id, s.rule, f.valid_from
    from subject as s
    inner join followed as f on f.user_id = s.user_id
    inner join named as n on n.source = s.source and n.rule = s.rule and n.status = f.status
    left join named as former
        on former.source = s.source and former.rule = s.rule and former.status = f.former_status
    where former.status is null or f.former_to <> f.valid_from
)

select b.user_id, b.rule, max(b.valid_from) as since
from beginning as b
group by b.user_id, b.rule
