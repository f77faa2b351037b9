-- mart.moved_bill: bills that count for another source than their file's.
-- grain: one row per subscriber and month whose bill came from another source than that which stands for the month
-- key: user_id, month
-- entity: user_id
-- by: part
-- for: build
-- reads: mart.month, step_attribute, step_bill, step_subscriber, step_tier_month
-- rule: a bill counts for its subscriber's source of the month
-- title: Bills of subscribers that moved / 归属变更用户账单
-- columns of core.subscriber: user_id
-- columns of mart.month: month
-- column: source: Source by which the bill counts / 归属省份

-- There are next to none, so these few are looked up among all months, not all months among the bills.
with moved as materialized (
    select b.subscriber_no, b.month_index, a.source
    from step_bill as b
    inner join step_attribute as a
        on a.subscriber_no = b.subscriber_no and b.month_index between a.from_month_index and a.to_month_index
    where a.source <> b.source
)

select n.user_id, m.month, b.source
from moved as b
inner join step_tier_month as t on t.subscriber_no = b.subscriber_no and t.month_index = b.month_index
inner join step_subscriber as n on n.subscriber_no = b.subscriber_no
inner join mart.month as m on m.month_index = b.month_index
