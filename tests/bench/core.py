"""The warehouse: staged payments into core against a plain insert, a resend, and the publication of what it changed.

    python tests/bench/core.py --rows 5000000 --files 10

Bounds, in the same run: DuckDB's `insert … select` of the same Parquet file; a plain copy of the warehouse, synced.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from datetime import datetime
from pathlib import Path

import duckdb
from figures import Figure, tell
from measuring import peak_mb, timed

from pipelines.contracts.load import load_contracts
from warehouse.load import StandingBatch, load
from warehouse.publish import write_state
from warehouse.states import show_state
from warehouse.store import FILE_NAME, attach, open_warehouse

_PAYMENTS = """
copy (
    select
        printf('P%014d', i) as payment_id, printf('A%09d', u) as account_id, printf('U%09d', u) as user_id,
        printf('138%08d', u) as service_number,
        timestamp '2026-11-22 10:00:00' + to_seconds((h >> 10) % 3600) as paid_at,
        cast(100 + (h >> 20) % 20000 as bigint) as amount_fen, cast(1 + h % 2 as varchar) as kind,
        ['CASH', 'CARD', 'BANK', 'WALLET'][1 + (h >> 5) % 4] as method,
        ['HALL', 'WEB', 'APP', 'BANK'][1 + (h >> 8) % 4] as channel, cast(null as varchar) as reversed_payment_id,
        '202610' as billing_cycle, cast((h >> 30) % 50000 as bigint) as balance_after_fen,
        printf('OP%05d', (h >> 40) % 5000) as operator_id, '{stem}' as batch_stem, i - {first} + 2 as line
    from (
        select i, cast(hash(i) >> 1 as bigint) as h, cast(hash(i) >> 1 as bigint) % 5000000 as u
        from range({first}, {first} + {rows}) as numbers (i)
    )
) to '{path}' (format parquet, compression zstd)
"""
_REJECTS = (
    "copy (select 1::bigint as line, '' as codes, '' as columns, '' as entity_key where false) to '{}' (format parquet)"
)


def empty_rejects(folder: Path) -> Path:
    """The rejects of a batch that has none."""
    path = folder / "none.rejects.parquet"
    with duckdb.connect() as connection:
        connection.execute(_REJECTS.format(path))
    return path


def staged_batch(folder: Path, stem: str) -> StandingBatch:
    """A batch as it stands, its staged rows and the rejects that it lacks in `folder`."""
    feed, source, mode, cycle, seq, _ = stem.split("_")
    paths = folder / f"{stem}.parquet", folder / "none.rejects.parquet"
    return StandingBatch(stem, stem, feed, source, mode, cycle, seq, datetime(2026, 11, 22), *paths)


def stage(folder: Path, hour: int, version: int, first: int, rows: int) -> StandingBatch:
    """A batch of payments as it is staged."""
    batch = staged_batch(folder, f"PAYM_110_I_20261121{hour:02d}_0001_{version:02d}")
    with duckdb.connect() as connection:
        connection.execute(_PAYMENTS.format(stem=batch.stem, first=first, rows=rows, path=batch.rows))
    return batch


def plain_insert(folder: Path, path: Path) -> None:
    """The bound of loading."""
    with duckdb.connect() as connection:
        attach(connection, folder / "plain.duckdb", "plain")
        connection.execute("create table plain.payment as from read_parquet($path) limit 0", {"path": str(path)})
        connection.execute("insert into plain.payment select * from read_parquet($path)", {"path": str(path)})


def plain_copy(path: Path) -> None:
    """The bound of publishing."""
    shutil.copyfile(path, path.with_suffix(".copy"))
    descriptor = os.open(path.with_suffix(".copy"), os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def show(connection: duckdb.DuckDBPyConnection, folder: Path, name: str) -> None:
    """Publish the warehouse as a state of this name, and show it to readers."""
    write_state(connection, load_contracts(), folder / "bi", name)
    show_state(folder / "bi", name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="payments a file")
    parser.add_argument("--files", type=int, default=3, help="files of the history, at most 20")
    wanted = parser.parse_args()
    contracts = load_contracts()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        empty_rejects(folder)
        batches = [stage(folder, n, 0, n * wanted.rows, wanted.rows) for n in range(wanted.files)]
        last, again = (stage(folder, 23, version, 10**12, 100_000) for version in (0, 1))
        bound = timed("bound: insert … select", lambda: plain_insert(folder, batches[0].rows))
        with open_warehouse(folder, contracts) as connection:
            first = timed("a file into core", lambda: load(connection, contracts, batches[:1], []))
            load(connection, contracts, [*batches, last], [])

            timed("publication, from nothing", lambda: show(connection, folder, "1"))
            resend = timed("resend of 100,000 rows", lambda: load(connection, contracts, [*batches, again], []))
            timed("publication after it, in a copy", lambda: show(connection, folder, "2"))
            load(connection, contracts, [*batches, last], [])
            published = timed("publication after another, in a retired state", lambda: show(connection, folder, "3"))
        copy = timed("bound: plain copy, synced", lambda: plain_copy(folder / FILE_NAME))
    rows, mb = wanted.rows * wanted.files, peak_mb()
    tell(
        "warehouse of payments, in one process",
        Figure("core", f"staged Parquet into core, {wanted.rows:,} payments", first, "s", bound, mb),
        Figure("resend", f"resend of 100,000 payments in {rows:,}", resend, "s", mb=mb),
        Figure("publication", f"publication after 100,000 payments resent in {rows:,}", published, "s", copy, mb),
    )


if __name__ == "__main__":
    main()
