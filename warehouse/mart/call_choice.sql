-- mart.call_choice: whom which campaign would call, and what holds it back.
-- grain: one row per subscriber and campaign
-- key: user_id, campaign
-- entity: user_id
-- reads: mart.horizon, policy.call, policy.campaign, step_call_candidate, step_last_contact, step_served
-- rule: suppressed, by the first that holds: a closed subscriber whose number an open one of any source has by now;
--   blacklisted customers; no consent to marketing, but where the campaign needs none; called within the last days; a
--   campaign before it calls already. cause is null for who is called.
-- title: Choice of calls / 外呼筛选
-- columns of core.subscriber: user_id, customer_id, source
-- column: campaign: Campaign / 外呼活动
-- column: reason: What makes it a candidate / 外呼原因
-- column: cause: What holds the call back; null: it is made / 抑制原因
-- columns of policy.campaign: script_code

with taken as (
    select distinct service_number
    from step_served
    where status <> '9'
),

judged as (
    select
        c.user_id, s.customer_id, s.source, c.campaign, c.reason, p.priority, p.script_code,
        case
            -- who would answer is another, who was asked for no consent
            when t.service_number is not null then 'NUMBER_REASSIGNED'
            when s.is_blacklisted then 'BLACKLISTED'
            when p.consent and coalesce(s.marketing_consent, 'N') <> 'Y' then 'NO_CONSENT'
            when l.called_at >= h.end_at - k.quiet_days * interval 1 day then 'CALLED_LATELY'
        end as cause
    from step_call_candidate as c
    cross join mart.horizon as h
    inner join step_served as s on s.user_id = c.user_id
    inner join policy.campaign as p on p.source = s.source and p.campaign = c.campaign
    inner join policy.call as k on k.source = s.source
    left join step_last_contact as l on l.user_id = c.user_id
    left join taken as t on t.service_number = s.service_number and s.status = '9'
),

placed as (
    select *, row_number() over (partition by user_id, cause is null order by priority) as place
    from judged
)

select
    user_id, customer_id, source, campaign, reason,
    case when cause is null and place > 1 then 'OTHER_CAMPAIGN' else cause end as cause,
    script_code
from placed
