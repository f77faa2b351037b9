-- list.tier_number_conflict: open subscribers whose number the TIER list gives to another.
-- grain: one row per open subscriber that is not listed
-- key: user_id
-- entity: user_id
-- reads: list.tier, mart.tier, mart.tier_subject
-- rule: a number is listed once; the others are reported with the one that is listed instead
-- title: Numbers that the TIER list gives to another / 号码冲突用户
-- columns of core.subscriber: user_id, service_number, open_date, source
-- columns of mart.tier: tier
-- column: listed_user_id: Subscriber that is listed instead / 已列入名单的用户编号
-- column: listed_source: Its source / 已列入名单用户的省份

select
    s.service_number, t.user_id, s.open_date, t.source, t.tier,
    listed.user_id as listed_user_id, listed.source as listed_source
from mart.tier as t
inner join mart.tier_subject as s on s.user_id = t.user_id
inner join list.tier as listed on listed.service_number = s.service_number
where listed.user_id <> t.user_id
