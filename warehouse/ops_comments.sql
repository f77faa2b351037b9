-- What is said of the tables of ops, and of the list before: a build says it of those that are there.

comment on table ops.batch is 'Batches. As the ledger had them at the last build. Grain: one row per batch. Key: stem. / 批次台账';
comment on column ops.batch.stem is 'Batch. Name of the file before its first dot / 批次文件名';
comment on column ops.batch.feed is 'Feed / 接口代码';
comment on column ops.batch.source is 'Source / 来源省份';
comment on column ops.batch.mode is 'Mode. I increment, F full snapshot / 文件模式（I 增量，F 全量）';
comment on column ops.batch.cycle is 'Cycle / 文件周期';
comment on column ops.batch.seq is 'Number of the file within its cycle / 文件序号';
comment on column ops.batch.version is 'Version, 00 the first sending / 文件版本';
comment on column ops.batch.state is 'State / 批次状态';
comment on column ops.batch.code is 'Code of the check that it failed; null: none / 校验代码';
comment on column ops.batch.records is 'Records declared / 申报记录数';
comment on column ops.batch.loaded is 'Records loaded / 入库记录数';
comment on column ops.batch.rejected is 'Records rejected / 拒绝记录数';
comment on column ops.batch.offered_no is 'Place among all offerings of its SEQ, whatever became of them, 1 the first / 同序号文件的报送次序';

comment on table ops.cycle is 'Cycles. As the ledger had them at the last build. Grain: one row per cycle of a feed, source and mode. Key: feed, source, mode, cycle. / 周期状态';
comment on column ops.cycle.feed is 'Feed / 接口代码';
comment on column ops.cycle.source is 'Source / 来源省份';
comment on column ops.cycle.mode is 'Mode. I increment, F full snapshot / 文件模式（I 增量，F 全量）';
comment on column ops.cycle.cycle is 'Cycle / 文件周期';
comment on column ops.cycle.state is 'State: open, complete, late, missing or held / 周期状态';
comment on column ops.cycle.is_on_time is 'Whether it was complete before it counted as late; null: not late yet, or not due / 是否按时完整';

comment on table ops.delivery is 'Deliveries. As the ledger had them at the last build. Grain: one row per receiver and list. Key: receiver, stem. / 名单分发状态';
comment on column ops.delivery.receiver is 'Receiver / 接收系统';
comment on column ops.delivery.stem is 'List. Name of the file before its first dot / 名单文件名';
comment on column ops.delivery.publication_id is 'Publication that it came with / 发布批次';
comment on column ops.delivery.state is 'State / 分发状态';
comment on column ops.delivery.attempts is 'Attempts so far / 尝试次数';
comment on column ops.delivery.delivered_at is 'When it was delivered whole; null: not yet / 送达时间';
comment on column ops.delivery.message is 'What is to be known of the last attempt, or of the receipt / 说明';

comment on table ops.built is 'Last build. What the marts were made for. Grain: one row. Key: none. / 最近一次构建';
comment on column ops.built.as_of is 'As-of date / 统计日';
comment on column ops.built.bill_month is 'Last closed month that was set by hand, YYYYMM; null: none was / 指定的已出账月';
comment on column ops.built.core is 'Fingerprint of what core held / 核心层指纹';
comment on column ops.built.load_no is 'Load after which it was / 构建所依入库序号';
comment on column ops.built.made_by is 'Fingerprint of policy and models / 策略与模型指纹';
comment on column ops.built.build_no is 'Number of builds so far / 构建序号';
comment on column ops.built.whole_no is 'The last of these that made all rows anew / 最近一次全量构建序号';

comment on table ops.format is 'Layout. Which version of the warehouse''s layout this is. Grain: one row. Key: none. / 库结构版本';
comment on column ops.format.version is 'Version of the layout / 库结构版本号';

comment on table ops.made_for is 'Contracts. For which contracts the tables were made. Grain: one row. Key: none. / 建表所依接口规范';
comment on column ops.made_for.fingerprint is 'Fingerprint of contracts and code lists / 接口规范指纹';

comment on table ops.load_state is 'Loads. Which warehouse this is, and how many loads have changed it. Grain: one row. Key: none. / 入库进度';
comment on column ops.load_state.warehouse_id is 'Warehouse / 数据仓库标识';
comment on column ops.load_state.load_no is 'Number of loads so far / 入库序号';

comment on table ops.history_change is 'Changes. Whose periods a load worked out anew, and whose facts it took out or displaced. Grain: one row per entity and load. Key: table_name, entity_id, load_no. / 历史变更记录';
comment on column ops.history_change.table_name is 'Table of core / 核心层表名';
comment on column ops.history_change.entity_id is 'Customer, subscriber or work order / 实体编号';
comment on column ops.history_change.load_no is 'Number of the load / 入库序号';

comment on table ops.history_build is 'Renewed rows. Whose rows in marts a build made anew since the last whole one. Grain: one row per table, entity, part and build. Key: table_name, entity_id, part, build_no. / 集市增量更新记录';
comment on column ops.history_build.table_name is 'Table of mart or list / 集市表名';
comment on column ops.history_build.entity_id is 'Subscriber, customer or number; empty: nobody known / 实体编号';
comment on column ops.history_build.part is 'Month; empty where the table is one part / 月份';
comment on column ops.history_build.build_no is 'Number of the build / 构建序号';

comment on table ops.history_lake is 'Taken from a lake. Tables that another engine makes, as they were taken over. Grain: one row per table. Key: table_name. / 湖表接收记录';
comment on column ops.history_lake.table_name is 'Table of core, mart or list / 表名';
comment on column ops.history_lake.print is 'What its parts are known by / 分区指纹';

comment on table ops.history_term is 'Terms. Table, key and deletion rule by which a feed is in core; they stay while there are rows of it. Grain: one row per feed and key of its contract. Key: feed, contract_key. / 接口固定约定';
comment on column ops.history_term.feed is 'Feed / 接口代码';
comment on column ops.history_term.contract_key is 'Key of the contract / 规范属性';
comment on column ops.history_term.value is 'What stands there / 属性值';

comment on table ops.history_log is 'Reach of the changes. Tables, or * for all, of which not all changes are known. Grain: one row per table. Key: table_name. / 历史变更记录范围';
comment on column ops.history_log.table_name is 'Table of core, or * / 核心层表名';
comment on column ops.history_log.complete_from is 'Load from which on they are / 完整起始入库序号';

comment on table ops.loaded_batch is 'Loaded batches. Those whose rows are in core. Grain: one row per batch. Key: stem. / 已入库批次';
comment on column ops.loaded_batch.stem is 'Batch. Name of the file before its first dot / 批次文件名';
comment on column ops.loaded_batch.digest is 'Digest of the file, and how often it was staged / 文件摘要';
comment on column ops.loaded_batch.feed is 'Feed / 接口代码';
comment on column ops.loaded_batch.source is 'Source / 来源省份';
comment on column ops.loaded_batch.mode is 'Mode. I increment, F full snapshot / 文件模式（I 增量，F 全量）';
comment on column ops.loaded_batch.cycle is 'Cycle / 文件周期';
comment on column ops.loaded_batch.seq is 'Number of the file within its cycle / 文件序号';
comment on column ops.loaded_batch.cycle_end is 'End of the cycle, which is no part of it / 周期结束时间';
comment on column ops.loaded_batch.load_no is 'Load that put its rows in / 入库序号';

comment on table ops.reject is 'Rejected rows. Those of loaded batches, never the records themselves. Grain: one row per rejected row. Key: stem, line. / 拒绝记录';
comment on column ops.reject.stem is 'Batch. Name of the file before its first dot / 批次文件名';
comment on column ops.reject.line is 'Line of the file; the header is line 1 / 文件行号';
comment on column ops.reject.codes is 'Codes of the checks that it failed, joined by + / 校验代码';
comment on column ops.reject.columns is 'Their columns, in the same order, joined by + / 校验字段';

comment on table ops.snapshot is 'Full snapshots. Complete ones, whose absences end periods. Grain: one row per snapshot. Key: feed, source, cycle. / 全量快照';
comment on column ops.snapshot.feed is 'Feed / 接口代码';
comment on column ops.snapshot.source is 'Source / 来源省份';
comment on column ops.snapshot.cycle is 'Cycle / 文件周期';
comment on column ops.snapshot.ends_at is 'When the periods of whom it does not name end / 缺失实体的终止时间';

comment on table ops.snapshot_reject is 'Rejected rows of full snapshots. Whom they name. Grain: one row per rejected row. Key: none. / 全量快照拒绝记录';
comment on column ops.snapshot_reject.stem is 'Batch. Name of the file before its first dot / 批次文件名';
comment on column ops.snapshot_reject.entity_key is 'Whom the row names; null where that cannot be trusted / 实体编号';

comment on table ops.publication is 'Published states. The newest is the one at hand. Grain: one row per state. Key: publication_id. / 发布记录';
comment on column ops.publication.publication_id is 'State / 发布编号';
comment on column ops.publication.as_of_date is 'As-of date of its marts / 统计日';
comment on column ops.publication.published_at is 'When it was published / 发布时间';
comment on column ops.publication.batch_count is 'Batches in core / 已入库批次数';
comment on column ops.publication.load_no is 'Number of the load that it was made after / 入库序号';

