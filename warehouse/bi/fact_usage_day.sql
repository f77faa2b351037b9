-- bi.fact_usage_day: usage summed up by day.
-- grain: one row per subscriber, day, type of usage, roaming and source
-- key: user_id, usage_date, usage_type, roaming, source
-- reads: core.usage
-- rule: usage counts for the day on which it began. Joins bi.dim_date by usage_date, bi.dim_subscriber by user_id,
--   bi.dim_area by source.
-- title: Usage by day / 用户日使用量
-- columns of core.usage: user_id, usage_type, roaming, source
-- column: usage_date: Day on which the usage began / 使用日期
-- column: record_count: Records / 详单条数
-- column: duration_s: Duration, seconds / 通话时长（秒）
-- column: volume_kb: Volume, KB / 流量（KB）
-- column: fee_fen: Fee, fen / 费用（分）

select
    user_id,
    cast(started_at as date) as usage_date,
    usage_type, roaming, source,
    count(*) as record_count,
    cast(sum(duration_s) as bigint) as duration_s,
    cast(sum(volume_kb) as bigint) as volume_kb,
    cast(sum(fee_fen) as bigint) as fee_fen
from core.usage
where is_current
group by user_id, cast(started_at as date), usage_type, roaming, source
