"""What was published before, as its files say: the base of increments, and since when a row is as it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb
import polars as pl

from pipelines.increments import apply
from pipelines.ledger.publications import ListRecord, Publication, regular
from pipelines.lists import LISTS, ListKind
from warehouse.build import make_given

_REMEMBERED = LISTS[0]  # the list whose rows say since when they are as they are
Last = dict[tuple[str, str, str], ListRecord]


def last_lists(known: Iterable[Publication]) -> Last:
    """The newest list of each name, source and mode; increments only of the newest full list's time."""
    found: Last = {}
    for publication in regular(known):
        for record in publication.lists:
            name = record.name
            if name.mode == "F" and found.get((name.feed, name.source, "F")) != record:
                found.pop((name.feed, name.source, "I"), None)
            found[name.feed, name.source, name.mode] = record
    return found


def parquet_of(directory: Path, stem: str) -> Path:
    """Where the Parquet file of a list stands below `publish/`."""
    return directory / stem[:4] / f"{stem}.parquet"


def read_list(directory: Path, stem: str) -> pl.DataFrame | None:
    """A published list; None where its file is gone."""
    path = parquet_of(directory, stem)
    return pl.read_parquet(path) if path.exists() else None


def recall_lists(directory: Path, warehouse: duckdb.DuckDBPyConnection, known: Iterable[Publication]) -> None:
    """Give models the TIER list as it was published last, whole and as its last full list, where they have another."""
    last = last_lists(known)
    stems = sorted(record.stem for (feed, _, _), record in last.items() if feed == _REMEMBERED.name)
    make_given(warehouse)
    if warehouse.execute("select stem from list.recalled order by stem").fetchall() == [(stem,) for stem in stems]:
        return
    warehouse.execute("begin")
    for table in ("tier_full", "tier_previous", "recalled"):
        warehouse.execute(f"delete from list.{table}")
    for (feed, source, mode), record in last.items():
        full = read_list(directory, record.stem) if (feed, mode) == (_REMEMBERED.name, "F") else None
        if full is not None:
            changes = last.get((feed, source, "I"))
            _insert(warehouse, "tier_full", full, source)
            _insert(warehouse, "tier_previous", _present(_REMEMBERED, full, changes, directory), source)
    for stem in stems:
        warehouse.execute("insert into list.recalled values ($stem)", {"stem": stem})
    warehouse.execute("commit")


def _present(kind: ListKind, full: pl.DataFrame, changes: ListRecord | None, directory: Path) -> pl.DataFrame:
    rows = read_list(directory, changes.stem) if changes else None
    return full if rows is None else apply(kind, full, rows)


def _insert(warehouse: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame, source: str) -> None:
    warehouse.register("incoming", rows.with_columns(source=pl.lit(source)))
    warehouse.execute(f"insert into list.{table} by name select * from incoming")
    warehouse.unregister("incoming")
