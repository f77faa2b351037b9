-- What the warehouse knows of its own making.

-- Grain: one batch whose rows are in core; key stem. Written in the transaction that puts the rows in, so it never
-- says more or less than core holds: the ledger is brought to agree with it, not the other way round. load_no is that
-- of the load that put them in.
create table if not exists ops.loaded_batch (
    stem varchar, digest varchar, feed varchar, source varchar, mode varchar, cycle varchar, seq varchar,
    cycle_end timestamp, load_no bigint
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

-- Grain: one list and receiver that was to have it; key receiver, stem. A copy of the ledger as of the last build.
create table if not exists ops.delivery (
    receiver varchar, stem varchar, publication_id varchar, state varchar, attempts bigint, delivered_at timestamp,
    message varchar
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

-- Grain: one entity of a table of core and a load that changed what is known of it; key table_name, entity_id, load_no.
-- Of a history those whose periods were worked out anew; of facts the subscribers of rows that went, or that count
-- no more or again (rows that came are found by their batches).
create table if not exists ops.history_change (table_name varchar, entity_id varchar, load_no bigint);

-- Grain: one thing to know of a table of core, or of all (*): that ops.history_change has not all changes up to load
-- complete_from.
create table if not exists ops.history_log (table_name varchar, complete_from bigint);

-- Grain: one row once marts are built: for what, from which core, after which load, by which policy and models; build_no
-- counts builds, whole_no is the last that made all rows anew.
create table if not exists ops.built (
    as_of date, bill_month varchar, core varchar, load_no bigint, made_by varchar, build_no bigint, whole_no bigint
);

-- Grain: one entity, in a part of a table, whose rows a build since the last whole one changed; key table_name,
-- entity_id, part, build_no. Its name begins as those that readers do not get.
create table if not exists ops.history_build (table_name varchar, entity_id varchar, part varchar, build_no bigint);

-- Grain: one key of a feed's contract that core rests on; key feed, contract_key. What was found when the tables were
-- last made for the contracts; while batches of the feed are loaded it stays. Its name begins as those that readers do
-- not get.
create table if not exists ops.history_term (feed varchar, contract_key varchar, value varchar);

-- Grain: one table that comes from a lake of another engine, and a print of the parts that it was taken from; no row where
-- core and marts are made here. Its name begins as those that readers do not get.
create table if not exists ops.history_lake (table_name varchar, print varchar);
