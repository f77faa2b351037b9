comment on table state.ops.state_part is 'State. From what its tables were made. Grain: one row per table and part that is told by a fingerprint. Key: table_name, part. / 发布状态明细';
comment on column state.ops.state_part.table_name is 'Table / 表名';
comment on column state.ops.state_part.part is 'Its part, empty where it has one alone / 分区';
comment on column state.ops.state_part.row_count is 'Rows in the warehouse / 行数';
comment on column state.ops.state_part.print is 'Their fingerprint / 指纹';
