-- step_owed: what a subscriber owes at the as-of date.
-- grain: one row per subscriber with anything outstanding of issued bills
-- key: user_id
-- by: all
-- reads: core.bill, mart.horizon, mart.subscriber_state
-- rule: of bills issued before E; overdue_fen of those whose due_date lies before D

select
    b.user_id,
    cast(sum(b.outstanding_fen) as bigint) as outstanding_fen,
    cast(sum(case when b.due_date < h.as_of then b.outstanding_fen else 0 end) as bigint) as overdue_fen
from core.bill as b
cross join mart.horizon as h
inner join mart.subscriber_state as s on s.user_id = b.user_id
where b.is_current and b.outstanding_fen > 0 and b.issued_at < h.end_at
group by b.user_id
