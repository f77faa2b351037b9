-- From version 2: the copy of the ledger says what the KPIs of feeds need. It is filled anew with every build.
alter table ops.batch add column if not exists offered_no bigint;
alter table ops.cycle add column if not exists is_on_time boolean;
