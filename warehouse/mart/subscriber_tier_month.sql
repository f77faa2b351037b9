-- mart.subscriber_tier_month: source and tier of a subscriber in every month, by which KPIs count it.
-- grain: one row per subscriber and month from its opening (within the horizon) to the last month, closed ones too
-- key: user_id, month
-- reads: mart.month, mart.subscriber_attribute, mart.subscriber_span, mart.tier_given
-- rule: the tier of a month in which it was open at any time; in later months its last one. The source is that of the
--   last period that begins before the end of the month.

with later as (
    select
        s.user_id, mart.month.month_index, a.source, g.tier, g.reason, null as tenure_months
    from mart.subscriber_span as s
    inner join mart.month
        on mart.month.month_index > s.to_month_index and mart.month.month_index <= s.until_month_index
    inner join mart.tier_given as g
        on g.user_id = s.user_id and g.month_index = s.to_month_index and not g.is_as_of
    inner join mart.subscriber_attribute as a
        on a.user_id = s.user_id and mart.month.month_index between a.from_month_index and a.to_month_index
),

every_month as (
    select user_id, month_index, source, tier, reason
    from mart.tier_given
    where not is_as_of
    union all
    select user_id, month_index, source, tier, reason
    from later
)

select m.user_id, mart.month.month, m.month_index, m.source, m.tier, m.reason
from every_month as m
inner join mart.month on mart.month.month_index = m.month_index
