"""Histories: ten thousand changes of subscribers, and the publication after them, in a small and in a large history.

    python tests/bench/histories.py --small 500000 --large 5000000

Bounds: 3 s; from the small to the large history no more than the root of its growth; for the publication a plain copy
of the warehouse, synced.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb
from core import empty_rejects, plain_copy, show, staged_batch
from figures import Figure, tell
from measuring import peak_mb, timed

from pipelines.contracts.load import load_contracts
from warehouse.load import StandingBatch, load
from warehouse.store import FILE_NAME, open_warehouse

_CHANGES = 10_000
_SUBSCRIBERS = """
copy (
    select
        'I' as op, timestamp '2026-11-01' as op_time, printf('U%09d', i) as user_id,
        printf('C%09d', i * 4 // 5) as customer_id, printf('A%09d', i * 4 // 5) as account_id,
        printf('138%08d', i) as service_number, 'MOB' as product, printf('P%03d', h % 60) as plan_code,
        if(h % 3 = 0, 'POST', 'PRE') as pay_mode, '1' as status, timestamp '2020-01-01' as status_time,
        date '2016-01-01' + cast(h % 3000 as integer) as open_date, cast(null as date) as close_date,
        '110101' as area_code, printf('D%04d', h % 3000) as dealer_id, cast(null as bigint) as credit_limit_fen,
        cast(h % 90000 as bigint) as balance_fen, date '2027-06-01' as balance_expiry,
        cast(null as date) as contract_end, cast(null as varchar) as member_level,
        '{stem}' as batch_stem, i + 2 as line
    from (select i, cast(hash(i) >> 1 as bigint) as h from range({rows}) as numbers (i))
) to '{path}' (format parquet, compression zstd)
"""
_SUSPENSIONS = """
copy (
    select
        printf('{stem}%08d', i) as change_id, printf('U%09d', u) as user_id, printf('C%09d', u * 4 // 5) as customer_id,
        printf('138%08d', u) as service_number, '04' as change_type,
        timestamp '2026-11-21 10:00:00' as changed_at, timestamp '2026-11-21 10:00:00' as effective_at,
        cast(null as varchar) as old_value, cast(null as varchar) as new_value, cast(null as varchar) as reason,
        'SYS' as channel, cast(null as varchar) as operator_id, '{stem}' as batch_stem, i + 2 as line
    from (select i, cast(hash(i, '{stem}') % {subscribers} as bigint) as u from range({rows}) as numbers (i))
) to '{path}' (format parquet, compression zstd)
"""


@dataclass(frozen=True)
class Measured:
    """Seconds, the middle of three; the copy is the bound of the publication."""

    load: float
    publication: float
    copy: float


def measure(folder: Path, subscribers: int) -> Measured:
    """Three batches of changes, one after the other, each published."""
    folder.mkdir()
    empty_rejects(folder)
    batches = [_stage(folder, "USER_110_I_2026110100_0001_00", _SUBSCRIBERS, rows=subscribers)]
    contracts = load_contracts()
    loads, publications = [], []
    with open_warehouse(folder, contracts) as connection:
        timed(f"{subscribers:,} subscribers into core", lambda: load(connection, contracts, batches, []))
        timed("publication, from nothing", lambda: show(connection, folder, "first"))
        for hour in range(10, 14):
            stem = f"CHNG_110_I_20261121{hour}_0001_00"
            batches.append(_stage(folder, stem, _SUSPENSIONS, rows=_CHANGES, subscribers=subscribers))
            loads.append(timed(f"{_CHANGES:,} changes", lambda: load(connection, contracts, batches, [])))
            publications.append(timed("publication after them", lambda name=stem: show(connection, folder, name)))  # type: ignore[misc]
    copy = timed("bound: plain copy, synced", lambda: plain_copy(folder / FILE_NAME))
    # The first publication after the first state has no retired one to bring on: it copies.
    return Measured(statistics.median(loads[1:]), statistics.median(publications[1:]), copy)


def _stage(folder: Path, stem: str, select: str, **numbers: int) -> StandingBatch:
    batch = staged_batch(folder, stem)
    with duckdb.connect() as connection:
        connection.execute(select.format(stem=stem, path=batch.rows, **numbers))
    return batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=50_000, help="subscribers of the small history")
    parser.add_argument("--large", type=int, default=500_000, help="subscribers of the large history")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        small, large = (measure(Path(name) / str(size), size) for size in (wanted.small, wanted.large))
    changes, mb = f"{_CHANGES:,} changes into the history of {wanted.large:,} subscribers", peak_mb()
    root, published = math.sqrt(wanted.large / wanted.small), f"publication after {changes.split(' into')[0]}"
    tell(
        "histories; medians of three batches of changes, in one process",
        Figure("changes", changes, large.load, "s", mb=mb),
        Figure("changes_growth", f"the same, times that of {wanted.small:,}", large.load / small.load, "×", root, mb),
        Figure("publication", published, large.publication, "s", large.copy, mb),
        Figure("publication_s", f"{published}, {wanted.large:,} subscribers", large.publication, "s", mb=mb),
    )


if __name__ == "__main__":
    main()
