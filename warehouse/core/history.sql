-- core.history: the periods of a stateful feed's entities, of those that a load touches.
-- grain: one row per entity and period in which no attribute changed
-- key: entity_id, valid_from
-- reads: record, absence
-- rule: the versions of an entity are its records by applies_at, cycle, F before I, source, seq, line; D ends a period,
--   and so does absence from a complete snapshot; what changes no attribute opens none

with
happening as (
    select entity_id, applies_at, cycle, mode, source, seq, line, batch_stem, is_end, false as is_absence, attributes
    from record
    union all
    select
        entity_id, applies_at, cycle, 'F' as mode, source, '' as seq, 0 as line, null as batch_stem, true as is_end,
        true as is_absence, null as attributes
    from absence
),

placed as (
    select
        *,
        row_number() over (
            partition by entity_id order by applies_at, cycle, mode, source, seq, line
        ) as place
    from happening
),

-- An absence ends the period only where the state it meets is of the same source.
met as (
    select
        *,
        last_value(case when not is_absence then source end ignore nulls) over earlier as source_met,
        last_value(case when not is_absence then is_end end ignore nulls) over earlier as is_end_met
    from placed
    window earlier as (partition by entity_id order by place rows between unbounded preceding and 1 preceding)
),

-- Of several at the same time the last stands.
standing as (
    select
        *,
        row_number() over (partition by entity_id, applies_at order by place desc) as from_last
    from met
    where not is_absence or (source_met = source and not is_end_met)
),

compared as (
    select
        *,
        lag(is_end) over next_in_time as is_end_before,
        lag(attributes) over next_in_time as attributes_before
    from standing
    where from_last = 1
    window next_in_time as (partition by entity_id order by applies_at)
),

turning as (
    select
        *,
        lead(applies_at) over (partition by entity_id order by applies_at) as valid_to
    from compared
    where
        coalesce(is_end_before, true) <> is_end
        or (not is_end and attributes is distinct from attributes_before)
)

select entity_id, batch_stem, line, applies_at as valid_from, valid_to
from turning
where not is_end
