-- core.patch: what current CHNG events set in a subscriber's state, from effective_at on.
-- grain: one row per change that sets something
-- key: change_id
-- reads: core.subscriber_change, core.change_type, touched
-- rule: the code list of change types says which column a change sets, and to what; null: to its new_value

select
    change.user_id as entity_id,
    change.effective_at as applies_at,
    change.change_id,
    kind.patch_column as column_name,
    coalesce(kind.patch_value, change.new_value) as value,
    change.batch_stem,
    change.line
from core.subscriber_change as change
inner join core.change_type as kind on change.change_type = kind.code
where
    change.is_current
    and kind.patch_column is not null
    and change.user_id in (select entity_id from touched)
