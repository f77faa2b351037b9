-- From version 3: builds know which batches came since, and what they were for in full. The marts are built anew next time.
alter table ops.loaded_batch add column if not exists load_no bigint;
drop table if exists ops.built;
-- What lists were published is read from their files again.
drop table if exists list.recalled;
drop table if exists list.tier_full;
drop table if exists list.tier_previous;
