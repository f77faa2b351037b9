-- core.newest: which of the rows of an event feed that share a key is the current one.
-- grain: one row per row of candidate
-- key: batch_stem, line
-- reads: candidate
-- rule: the current row of a key is that with the greatest (cycle, source, seq, line)

select
    *,
    row_number() over (partition by row_key order by cycle desc, source desc, seq desc, line desc) = 1 as is_newest
from candidate
