-- step_call_candidate: whom a campaign would call, before anything is suppressed.
-- grain: one row per subscriber and campaign
-- key: user_id, campaign
-- by: all
-- reads: mart.horizon, mart.subscriber_closing, mart.work_order_state, policy.campaign, policy.code,
--   step_owed, step_served
-- rule: only products that are called. ARREARS: overdue bills, status 1 or 3; RETAIN: a warning of level HIGH; WINBACK:
--   closed by status within so many days; CARE: a person's birthday within so many days from D on, a 29 February on the
--   28th where there is none; SURVEY: a complaint closed within so many days and not rated

with subject as (
    select s.*, h.as_of
    from step_served as s
    cross join mart.horizon as h
    inner join policy.code as p on p.source = s.source and p.name = 'calls.products' and p.code = s.product
),

birthday as (
    select
        user_id, as_of,
        cast(birth_date + (extract(year from as_of) - extract(year from birth_date)) * interval 1 year as date)
            as this_year,
        cast(birth_date + (extract(year from as_of) + 1 - extract(year from birth_date)) * interval 1 year as date)
            as next_year
    from subject
    where birth_date is not null
),

closing as (
    select user_id, max(closing_date) as closing_date
    from mart.subscriber_closing
    group by user_id
    having max_by(is_by_status, closing_date)
)

select s.user_id, 'ARREARS' as campaign, 'overdue=' || o.overdue_fen as reason
from subject as s
inner join policy.code as p on p.source = s.source and p.name = 'calls.campaigns.ARREARS.statuses' and p.code = s.status
inner join step_owed as o on o.user_id = s.user_id and o.overdue_fen > 0
union all
select s.user_id, 'RETAIN' as campaign, s.rules as reason
from subject as s
inner join policy.code as p on p.source = s.source and p.name = 'calls.campaigns.RETAIN.levels' and p.code = s.level
union all
select s.user_id, 'WINBACK' as campaign, 'closed=' || strftime(c.closing_date, '%Y%m%d') as reason
from subject as s
inner join policy.campaign as p on p.source = s.source and p.campaign = 'WINBACK'
inner join closing as c
    on c.user_id = s.user_id and c.closing_date > s.as_of - p.days * interval 1 day and c.closing_date <= s.as_of
where s.status = '9'
union all
select s.user_id, 'CARE' as campaign, 'birthday' as reason
from subject as s
inner join policy.campaign as p on p.source = s.source and p.campaign = 'CARE'
inner join policy.code as t on t.source = s.source and t.name = 'calls.campaigns.CARE.tiers' and t.code = s.tier
inner join policy.code as k
    on k.source = s.source and k.name = 'calls.campaigns.CARE.customer_types' and k.code = s.customer_type
inner join birthday as b on b.user_id = s.user_id
where s.status <> '9'
    and ((b.this_year >= s.as_of and b.this_year < s.as_of + p.days * interval 1 day)
        or b.next_year < s.as_of + p.days * interval 1 day)
union all
select s.user_id, 'SURVEY' as campaign, min(w.work_order_id) as reason
from subject as s
inner join policy.campaign as p on p.source = s.source and p.campaign = 'SURVEY'
inner join mart.work_order_state as w
    on w.user_id = s.user_id and w.category = 'COMPLAINT' and w.status = 'CLOSED' and w.satisfaction is null
        and w.closed_at >= s.as_of - (p.days - 1) * interval 1 day
        and w.closed_at < s.as_of + interval 1 day
where s.status <> '9'
group by s.user_id
