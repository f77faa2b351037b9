-- From version 1, the release before versions were noted: publications say after which load they were made. Tables that
-- are new are made when a warehouse is opened (tables.sql); a step holds what changes tables that are there.
alter table ops.publication add column if not exists load_no bigint;
