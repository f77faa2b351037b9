-- list.tier: the full TIER list: how the IVR and the call distributor treat a caller's number.
-- grain: one row per service number of an open subscriber of a product that has tiers
-- key: service_number
-- entity: service_number
-- reads: list.tier_full, list.tier_increment, mart.tier, mart.tier_subject, policy.service_level
-- rule: of two open subscribers with one number the one with the later open_date, then the greater user_id, is
--   listed. op is I in a full list; valid_from is the as-of date at which all else in the row first held: that of
--   the last full list or of what was published last where nothing differs.
-- title: TIER list / 客户层次名单
-- columns of core.subscriber: user_id, service_number, source
-- columns of mart.tier: tier, reason, flag
-- columns of policy.service_level: priority, ivr_entry, skill_group, overflow_group, overflow_after_s
-- column: op: Operation, I in a full list / 操作类型（全量为 I）
-- column: valid_from: As-of date at which all else in the row first held / 生效日期

with ranked as (
    select
        s.service_number, t.user_id, t.tier, t.reason, t.flag, t.source,
        row_number() over (partition by s.service_number order by s.open_date desc, t.user_id desc) as place
    from mart.tier as t
    inner join mart.tier_subject as s on s.user_id = t.user_id
),

listed as (
    select
        r.service_number, r.user_id, r.tier, r.reason, l.priority, l.ivr_entry, l.skill_group, l.overflow_group,
        l.overflow_after_s, r.flag, r.source
    from ranked as r
    inner join policy.service_level as l on l.source = r.source and l.tier = r.tier
    where r.place = 1
),

former as (
    select *, 1 as place from list.tier_full
    union all
    select *, 2 as place from list.tier_increment
),

held as (
    select
        n.service_number,
        row_number() over (partition by n.service_number order by b.place) as place,
        b.valid_from
    from listed as n
    inner join former as b
        on b.service_number = n.service_number
            and b.valid_from <= cast($as_of as date)
            and b.user_id = n.user_id
            and b.tier = n.tier
            and b.reason = n.reason
            and b.priority = n.priority
            and b.ivr_entry = n.ivr_entry
            and b.skill_group = n.skill_group
            and b.overflow_group is not distinct from n.overflow_group
            and b.overflow_after_s is not distinct from n.overflow_after_s
            and b.flag is not distinct from n.flag
)

select
    'I' as op, n.service_number, n.user_id, n.tier, n.reason, n.priority, n.ivr_entry, n.skill_group, n.overflow_group,
    n.overflow_after_s, n.flag,
    coalesce(h.valid_from, cast($as_of as date)) as valid_from,
    n.source
from listed as n
left join held as h on h.service_number = n.service_number and h.place = 1
