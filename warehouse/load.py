"""staged → core: bringing the warehouse to the set of batches that stand in the ledger.

Loading is reconciling. The warehouse notes in the same transaction which batches its rows are of, so it can tell by
itself what is missing and what is too much; running it again, or after a crash at any point, does the rest or nothing.
That is how a resend (rule 3), a discard and a second run (rule 2) are one and the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl

from pipelines.contracts.model import Contracts
from pipelines.faults import fault_point
from warehouse.changes import count_load
from warehouse.engines import DuckEngine, Engine, forget_core
from warehouse.statements import transaction


@dataclass(frozen=True)
class StandingBatch:
    """A batch whose rows belong into core, and where its staged rows are."""

    stem: str
    digest: str
    feed: str
    source: str
    mode: str
    cycle: str
    seq: str
    cycle_end: datetime
    rows: Path
    rejects: Path


@dataclass(frozen=True)
class Snapshot:
    """A complete full snapshot whose absences count: they end periods at `ends_at`."""

    feed: str
    source: str
    cycle: str
    ends_at: datetime


@dataclass(frozen=True)
class LoadResult:
    """Stems whose rows came into core and stems whose rows were taken out.

    `ended`: how many entities full snapshots ended for being absent from them, by feed, source and cycle.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    ended: tuple[tuple[str, str, str, int], ...] = ()


DUCKDB = DuckEngine()
_BATCH_COLUMNS = ("stem", "digest", "feed", "source", "mode", "cycle", "seq", "cycle_end")


def load(
    connection: duckdb.DuckDBPyConnection,
    contracts: Contracts,
    standing: list[StandingBatch],
    snapshots: list[Snapshot],
    kept: frozenset[tuple[str, str]] = frozenset(),
    engine: Engine = DUCKDB,
) -> LoadResult:
    """Make core hold the rows of `standing` and no others, in one transaction; then the tables that follow from core.

    `kept` are batches (stem, digest) that stand too and whose rows the caller knows to be there.
    """
    result = _reconcile(connection, contracts, standing, snapshots, kept, engine)
    engine.refresh_plans(connection, contracts)  # whatever was loaded: a run may have been killed between the two
    return result


def _reconcile(
    connection: duckdb.DuckDBPyConnection,
    contracts: Contracts,
    standing: list[StandingBatch],
    snapshots: list[Snapshot],
    kept: frozenset[tuple[str, str]],
    engine: Engine,
) -> LoadResult:
    present = engine.loaded_batches(connection)
    wanted = {(batch.stem, batch.digest) for batch in standing} | kept
    adding = [batch for batch in standing if (batch.stem, batch.digest) not in present]
    removing = sorted(stem for stem, digest in present - wanted)
    differs = engine.differs(connection)  # as where a load was killed, and what it had brought does not stand any more
    if not adding and not removing and not differs and not _snapshots_changed(connection, snapshots):
        return LoadResult((), ())
    with transaction(connection):
        if differs and not present:
            forget_core(connection)  # with what takes its place: whoever reads a copy meets either
        count_load(connection)
        _note_batches(connection, adding, removing)
        _note_snapshots(connection, snapshots)
        connection.execute("create or replace temp table ended (feed text, source text, cycle text, entities bigint)")
        _exchange_batches(connection, contracts, adding)
        engine.replace(connection, contracts, adding)
        ended = connection.execute("select feed, source, cycle, entities from ended order by all").fetchall()
        fault_point("load")
    return LoadResult(tuple(batch.stem for batch in adding), tuple(removing), tuple(ended))


def _note_batches(connection: duckdb.DuckDBPyConnection, adding: list[StandingBatch], removing: list[str]) -> None:
    """Temp tables `adding` and `removing`, which the steps below join with."""
    columns = (*_BATCH_COLUMNS, "rejects")
    frame = pl.DataFrame(
        [[*(getattr(batch, name) for name in _BATCH_COLUMNS), str(batch.rejects)] for batch in adding],
        schema={name: pl.Datetime("us") if name == "cycle_end" else pl.String for name in columns},
        orient="row",
    )
    _temp_table(connection, "adding", frame)
    _temp_table(connection, "removing", pl.DataFrame({"stem": removing}, schema={"stem": pl.String}))
    connection.execute(
        "create or replace temp table removing as select b.* from ops.loaded_batch as b semi join removing using (stem)"
    )


def _temp_table(connection: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    connection.register("incoming", frame)
    connection.execute(f"create or replace temp table {name} as select * from incoming")
    connection.unregister("incoming")


def _snapshots_changed(connection: duckdb.DuckDBPyConnection, snapshots: list[Snapshot]) -> bool:
    present = connection.execute("select feed, source, cycle, ends_at from ops.snapshot").fetchall()
    return set(present) != {(each.feed, each.source, each.cycle, each.ends_at) for each in snapshots}


def _note_snapshots(connection: duckdb.DuckDBPyConnection, snapshots: list[Snapshot]) -> None:
    """`ops.snapshot` as it is now; temp table `snapshot_change` has the sources where one came or went."""
    frame = pl.DataFrame(
        [[each.feed, each.source, each.cycle, each.ends_at] for each in snapshots],
        schema={"feed": pl.String, "source": pl.String, "cycle": pl.String, "ends_at": pl.Datetime("us")},
        orient="row",
    )
    _temp_table(connection, "snapshot_now", frame)
    connection.execute(
        """
        create or replace temp table snapshot_change as
        (select feed, source from (table ops.snapshot except table snapshot_now))
        union
        (select feed, source from (table snapshot_now except table ops.snapshot))
        """
    )
    connection.execute("delete from ops.snapshot")
    connection.execute("insert into ops.snapshot select * from snapshot_now")


def _exchange_batches(connection: duckdb.DuckDBPyConnection, contracts: Contracts, adding: list[StandingBatch]) -> None:
    """What is known of batches: those of `removing` go, those of `adding` come, with their rejects."""
    for table in ("loaded_batch", "reject", "snapshot_reject"):
        connection.execute(f"delete from ops.{table} where stem in (select stem from removing)")
    columns = ", ".join(_BATCH_COLUMNS)
    connection.execute(f"insert into ops.loaded_batch select {columns}, load_no from adding, ops.load_state")
    _insert_rejects(connection, contracts, adding)


def _insert_rejects(connection: duckdb.DuckDBPyConnection, contracts: Contracts, adding: list[StandingBatch]) -> None:
    """Of all batches in one statement: a statement a batch takes longer than all rows of a small load."""
    snapshots = [batch for batch in adding if contracts[batch.feed].stateful and batch.mode == "F"]
    for table, columns, batches in (
        ("reject", "line, codes, columns", adding),
        ("snapshot_reject", "entity_key", snapshots),
    ):
        if batches:
            connection.execute(
                f"""
                insert into ops.{table}
                select adding.stem, {columns}
                from read_parquet($paths, filename = true) as reject
                inner join adding on adding.rejects = reject.filename
                """,
                {"paths": [str(batch.rejects) for batch in batches]},
            )
