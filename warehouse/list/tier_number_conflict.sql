-- list.tier_number_conflict: open subscribers whose number the TIER list gives to another.
-- grain: one row per open subscriber that is not listed
-- key: user_id
-- reads: list.tier, mart.tier, mart.tier_subject
-- rule: a number is listed once; the others are reported with the one that is listed instead

select
    s.service_number, t.user_id, s.open_date, t.source, t.tier,
    listed.user_id as listed_user_id, listed.source as listed_source
from mart.tier as t
inner join mart.tier_subject as s on s.user_id = t.user_id
inner join list.tier as listed on listed.service_number = s.service_number
where listed.user_id <> t.user_id
