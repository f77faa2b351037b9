-- mart.tier: the service tier of every subscriber at the as-of date.
-- grain: one row per open subscriber of a product that has tiers
-- key: user_id
-- reads: mart.arpu_month, mart.tier_given
-- rule: arpu3_fen (null without a bill) and tenure_months (whole months) are those of the source's last closed month;
--   flag B for a blacklisted customer, else null

select
    g.user_id, g.source, g.tier, g.reason, g.flag, a.arpu3_fen, g.tenure_months
from mart.tier_given as g
left join mart.arpu_month as a on a.user_id = g.user_id and a.month_index = g.month_index
where g.is_as_of
