-- mart.tier_subject: for whom and for which month a tier is worked out, with all that bears on it but the bills.
-- grain: one row per subscriber and month in which it was open at any time (those before the horizon only where they are
--   the last of a run), and one for the as-of date (is_as_of) for every open subscriber that has a tier of its own
-- key: user_id, month_index, is_as_of
-- reads: mart.bill_month, mart.customer_attribute, mart.customer_state, mart.horizon, mart.month, mart.subscriber_attribute,
--   mart.subscriber_span, mart.subscriber_state, policy.code, policy.tier, policy.tiering
-- rule: for a month count the attributes that stand for it; at the as-of date the state then, and the bills of the
--   source's last closed month (month_index null where it has none). Tenure is in whole months at the end of the month.

with open_month as (
    select mart.subscriber_span.user_id, mart.month.month_index
    from mart.subscriber_span
    inner join mart.month
        on mart.month.month_index between mart.subscriber_span.from_month_index and mart.subscriber_span.to_month_index
    union all
    select user_id, to_month_index as month_index
    from mart.subscriber_span
    cross join mart.horizon
    where to_month_index < first_month_index
),

subject as (
    select
        open_month.user_id, open_month.month_index, false as is_as_of,
        a.source, a.product, a.member_level, a.open_date, c.customer_type, c.is_blacklisted
    from open_month
    inner join mart.subscriber_attribute as a
        on a.user_id = open_month.user_id
            and open_month.month_index between a.from_month_index and a.to_month_index
    left join mart.customer_attribute as c
        on c.customer_id = a.customer_id
            and open_month.month_index between c.from_month_index and c.to_month_index
    union all
    select
        s.user_id, m.month_index, true as is_as_of,
        s.source, s.product, s.member_level, s.open_date, c.customer_type, c.blacklisted = 'Y' as is_blacklisted
    from mart.subscriber_state as s
    left join mart.bill_month as m on m.source = s.source
    left join mart.customer_state as c on c.customer_id = s.customer_id
    inner join policy.code as p on p.source = s.source and p.name = 'tiering.products' and p.code = s.product
    where s.status <> '9'
)

select
    subject.user_id, subject.month_index, subject.is_as_of, subject.source,
    greatest(
        subject.month_index + 1 - (extract(year from subject.open_date) * 12 + extract(month from subject.open_date) - 1)
        - case when extract(day from subject.open_date) > 1 then 1 else 0 end,
        0
    ) as tenure_months,
    tiered.code is not null as is_tiered,
    coalesce(subject.is_blacklisted, false) as is_blacklisted,
    manual.rank as manual_rank,
    case when group_type.code is not null then group_tier.rank end as group_rank
from subject
inner join policy.tiering as t on t.source = subject.source
inner join policy.tier as group_tier on group_tier.source = subject.source and group_tier.tier = t.group_tier
left join policy.code as tiered
    on tiered.source = subject.source and tiered.name = 'tiering.products' and tiered.code = subject.product
left join policy.code as group_type
    on group_type.source = subject.source and group_type.name = 'tiering.group_types'
        and group_type.code = subject.customer_type
left join policy.tier as manual on manual.source = subject.source and manual.tier = subject.member_level
