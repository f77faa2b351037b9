-- core.absence: entities that a complete full snapshot of their source does not hold; their period ends with its cycle.
-- grain: one row per entity and snapshot
-- key: entity_id, source, cycle
-- reads: record, ops.snapshot, ops.snapshot_reject, ops.loaded_batch
-- rule: not a key that a rejected row names, and none at all where a rejected row's key is not trusted

with
entity as (
    select distinct entity_id, source
    from record
),

held as (
    select entity_id, source, cycle
    from record
    where mode = 'F'
),

spared as (
    select batch.source, batch.cycle, reject.entity_key
    from ops.snapshot_reject as reject
    inner join ops.loaded_batch as batch on reject.stem = batch.stem
    where batch.feed = $feed
)

select entity.entity_id, snapshot.ends_at as applies_at, snapshot.cycle, snapshot.source
from ops.snapshot as snapshot
inner join entity on snapshot.source = entity.source
where
    snapshot.feed = $feed
    and not exists (
        select 1
        from held
        where held.entity_id = entity.entity_id and held.source = snapshot.source and held.cycle = snapshot.cycle
    )
    and not exists (
        select 1
        from spared
        where
            spared.source = snapshot.source and spared.cycle = snapshot.cycle
            and (spared.entity_key is null or spared.entity_key = entity.entity_id)
    )
