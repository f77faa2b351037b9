-- From version 3: builds know which batches came since, and what they were for in full. The marts are built anew next time.
alter table ops.loaded_batch add column if not exists load_no bigint;
drop table if exists ops.built;
