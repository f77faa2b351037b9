-- mart.tier_subject: who has a service tier at the as-of date.
-- grain: one row per open subscriber of a product that has tiers
-- key: user_id
-- entity: user_id
-- for: build
-- reads: mart.bill_month, mart.subscriber_state, policy.code
-- rule: tenure is in whole months at the end of the source's last closed month; null where it has closed none
-- title: Subscribers that have a tier / 参与分层的用户
-- columns of core.subscriber: user_id, source, customer_id, member_level, service_number, open_date
-- column: tenure_months: Tenure at the end of the last closed month, whole months / 在网时长（月）

select
    s.user_id, s.source, s.customer_id, s.member_level, s.service_number, s.open_date,
    cast(greatest(
        m.month_index + 1 - (extract(year from s.open_date) * 12 + extract(month from s.open_date) - 1)
        - case when extract(day from s.open_date) > 1 then 1 else 0 end,
        case when m.month_index is not null then 0 end
    ) as bigint) as tenure_months
from mart.subscriber_state as s
inner join policy.code as p on p.source = s.source and p.name = 'tiering.products' and p.code = s.product
left join mart.bill_month as m on m.source = s.source
where s.status <> '9'
