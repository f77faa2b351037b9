-- core.subscriber: the periods of subscribers, from USER records and from CHNG events as patches at effective_at.
-- grain: one row per subscriber and period in which no attribute changed
-- key: user_id, valid_from
-- reads: record, absence, patch
-- rule: a record is a whole state; a patch carries the other attributes forward from the period that it falls into, and
--   has no effect where it falls into none; at one time records go first, then patches by change_id

with
happening as (
    select
        entity_id, applies_at, 0 as turn, cycle, mode, source, seq, line, '' as change_id, batch_stem, is_end,
        'record' as kind, null as column_name, null as value, op_time, attributes, customer_id, service_number,
        plan_code, status, status_time, close_date
    from record
    union all
    select
        entity_id, applies_at, 0 as turn, cycle, 'F' as mode, source, '' as seq, 0 as line, '' as change_id,
        null as batch_stem, true as is_end, 'absence' as kind, null as column_name, null as value, null as op_time,
        null as attributes, null as customer_id, null as service_number, null as plan_code, null as status,
        null as status_time, null as close_date
    from absence
    union all
    select
        entity_id, applies_at, 1 as turn, '' as cycle, '' as mode, '' as source, '' as seq, line, change_id,
        batch_stem, false as is_end, 'patch' as kind, column_name, value, null as op_time, null as attributes,
        null as customer_id, null as service_number, null as plan_code, null as status, null as status_time,
        null as close_date
    from patch
),

placed as (
    select
        *,
        row_number() over (
            partition by entity_id order by applies_at, turn, cycle, mode, source, seq, change_id, line
        ) as place
    from happening
),

-- What follows a record, up to the next record, rests on it.
resting as (
    select
        *,
        count(case when kind = 'record' then 1 end) over (partition by entity_id order by place) as base
    from placed
),

patched as (
    select
        *,
        first_value(attributes) over upto as base_attributes,
        first_value(source) over upto as base_source,
        first_value(customer_id) over upto as base_customer_id,
        first_value(service_number) over upto as base_service_number,
        first_value(plan_code) over upto as base_plan_code,
        first_value(status) over upto as base_status,
        first_value(status_time) over upto as base_status_time,
        first_value(close_date) over upto as base_close_date,
        first_value(op_time) over upto as base_op_time,
        first_value(is_end) over upto as is_end_base,
        last_value(case when column_name = 'status' then value end ignore nulls) over upto as new_status,
        last_value(case when column_name = 'status' then applies_at end ignore nulls) over upto as new_status_time,
        last_value(case when column_name = 'customer_id' then value end ignore nulls) over upto as new_customer_id,
        last_value(case when column_name = 'service_number' then value end ignore nulls) over upto
            as new_service_number,
        last_value(case when column_name = 'plan_code' then value end ignore nulls) over upto as new_plan_code
    from resting
    where base > 0
    window upto as (partition by entity_id, base order by place rows between unbounded preceding and current row)
),

-- An absence ends the period of an open subscriber of its source; nothing after it counts until the next record.
ended as (
    select
        *,
        coalesce(max(
            case
                when kind = 'absence' and base_source = source and coalesce(new_status, base_status) <> '9'
                    then 1
            end
        ) over (partition by entity_id, base order by place), 0) = 1 or is_end_base as is_ended
    from patched
),

-- Of several at the same time the last stands, and carries what those before it changed. Attributes that no change
-- sets are the record's: whichever columns the contract has.
standing as (
    select
        entity_id, applies_at, is_ended, base_op_time as op_time,
        last_value(batch_stem ignore nulls) over upto as batch_stem,
        last_value(case when batch_stem is not null then line end ignore nulls) over upto as line,
        row_number() over (partition by entity_id, applies_at order by place desc) as from_last,
        {
            'attributes': base_attributes,
            'customer_id': coalesce(new_customer_id, base_customer_id),
            'service_number': coalesce(new_service_number, base_service_number),
            'plan_code': coalesce(new_plan_code, base_plan_code),
            'status': coalesce(new_status, base_status),
            'status_time': coalesce(new_status_time, base_status_time),
            'close_date': case
                when new_status is null then base_close_date
                when new_status = '9' then cast(new_status_time as date)
            end
        } as state
    from ended
    window upto as (partition by entity_id, base order by place rows between unbounded preceding and current row)
),

compared as (
    select
        *,
        lag(is_ended) over in_time as is_ended_before,
        lag(state) over in_time as state_before
    from standing
    where from_last = 1
    window in_time as (partition by entity_id order by applies_at)
),

turning as (
    select
        *,
        lead(applies_at) over (partition by entity_id order by applies_at) as valid_to
    from compared
    where
        coalesce(is_ended_before, true) <> is_ended
        or (not is_ended and state is distinct from state_before)
)

select
    entity_id as user_id, op_time, batch_stem, line, applies_at as valid_from, valid_to, state.attributes as attributes,
    state.customer_id as customer_id, state.service_number as service_number, state.plan_code as plan_code,
    state.status as status, state.status_time as status_time, state.close_date as close_date
from turning
where not is_ended
