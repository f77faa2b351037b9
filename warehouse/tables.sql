-- What the warehouse knows of its own making.

-- Grain: one batch whose rows are in core; key stem. Written in the transaction that puts the rows in, so it never
-- says more or less than core holds: the ledger is brought to agree with it, not the other way round.
create table if not exists ops.loaded_batch (
    stem varchar, digest varchar, feed varchar, source varchar, mode varchar, cycle varchar, seq varchar,
    cycle_end timestamp
);

-- Grain: one rejected row of a loaded batch; key stem, line. Never the record: that stays with the batch.
create table if not exists ops.reject (stem varchar, line bigint, codes varchar, columns varchar);

-- Grain: one rejected row of a full snapshot; entity_key is null where the row's key cannot be trusted.
create table if not exists ops.snapshot_reject (stem varchar, entity_key varchar);

-- Grain: one full snapshot whose absences end periods at `ends_at`; key feed, source, cycle.
create table if not exists ops.snapshot (feed varchar, source varchar, cycle varchar, ends_at timestamp);

-- Grain: one batch; key stem. A copy of the ledger as of the last build.
create table if not exists ops.batch (
    stem varchar, feed varchar, source varchar, mode varchar, cycle varchar, seq varchar, version varchar,
    state varchar, code varchar, records bigint, loaded bigint, rejected bigint, offered_no bigint
);

-- Grain: one cycle of a feed, source and mode. A copy of the ledger as of the last build.
create table if not exists ops.cycle (
    feed varchar, source varchar, mode varchar, cycle varchar, state varchar, is_on_time boolean
);

-- Grain: one published state; the newest is the one at hand.
create table if not exists ops.publication (
    publication_id varchar, as_of_date date, published_at timestamp, batch_count bigint, load_no bigint
);

-- Grain: one row. Which warehouse this is, and how many loads have changed it; a published state has both from the load
-- that it was made after, and is brought on from there.
create table if not exists ops.load_state (warehouse_id varchar, load_no bigint);
insert into ops.load_state
select
    uuid() as warehouse_id,
    0 as load_no
where not exists (select 1 from ops.load_state);

-- Grain: one entity of a history and a load that worked its periods out anew; key table_name, entity_id, load_no.
create table if not exists ops.history_change (table_name varchar, entity_id varchar, load_no bigint);

-- Grain: one thing to know of a history, or of all (*): that ops.history_change has not all changes up to load complete_from.
create table if not exists ops.history_log (table_name varchar, complete_from bigint);
