"""What was published before, as its files say: the base of increments, and since when a row is as it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb
import polars as pl

from pipelines.errors import StoreError
from pipelines.ledger.publications import ListRecord, Publication, regular
from pipelines.lists import LISTS
from pipelines.names import parse_stem
from warehouse.build import make_given
from warehouse.statements import transaction

_REMEMBERED = LISTS[0]  # the list whose rows say since when they are as they are
Last = dict[tuple[str, str, str], ListRecord]


def last_lists(known: Iterable[Publication]) -> Last:
    """The newest list of each name, source and mode; increments only of the newest full list's time."""
    found: Last = {}
    for publication in regular(known):
        for record in publication.lists:
            feed, source, mode, _ = record.stem.split("_", 3)
            if mode == "F" and found.get((feed, source, "F")) != record:
                found.pop((feed, source, "I"), None)
            found[feed, source, mode] = record
    return found


def parquet_of(directory: Path, stem: str) -> Path:
    """Where the Parquet file of a list stands below `publish/`."""
    return directory / stem[:4] / f"{stem}.parquet"


def find_list(directory: Path, stem: str) -> Path | None:
    """The Parquet file of a list that the ledger has; None where it is gone.

    A run that was killed between the ledger's word and its names left it under its first name; the next publication
    gives it the other, but what is built before must know it.
    """
    path = parquet_of(directory, stem)
    part = path.with_name(f"{path.name}.tmp")
    return next((each for each in (path, part) if each.exists()), None)


def recall_lists(directory: Path, warehouse: duckdb.DuckDBPyConnection, known: Iterable[Publication]) -> None:
    """Give models the last full TIER lists and what their increments put into them, where they have others.

    Raises StoreError for one whose file is damaged; models keep what they had.
    """
    last = {name: record for name, record in last_lists(known).items() if name[0] == _REMEMBERED.name}
    make_given(warehouse)
    present = {stem for (stem,) in warehouse.execute("select stem from list.recalled").fetchall()}
    wanted = {mode: {each.stem for (_, _, of), each in last.items() if of == mode} for mode in ("F", "I")}
    if present == wanted["F"] | wanted["I"]:
        return
    modes = {"F": "tier_full", "I": "tier_increment"}
    if {stem for stem in present if (name := parse_stem(stem)) and name.mode == "F"} == wanted["F"]:
        modes.pop("F")  # the full lists of a day are large and stay
    recalled = {stem for mode in wanted.keys() - modes.keys() for stem in wanted[mode]}
    with transaction(warehouse):
        for mode, table in modes.items():
            warehouse.execute(f"delete from list.{table}")
            for (_, source, of), record in last.items():
                path = find_list(directory, record.stem) if of == mode else None
                if path is not None:
                    _insert(warehouse, table, _rows(path), source)
                    recalled.add(record.stem)
        warehouse.execute("delete from list.recalled")
        for stem in sorted(recalled):  # one whose file is gone is looked for again
            warehouse.execute("insert into list.recalled values ($stem)", {"stem": stem})


def _rows(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path).filter(pl.col("op") != "D")
    except pl.exceptions.PolarsError as error:
        raise StoreError(
            f"{path.parent.name}/{path.name}: expected the list as it was published, found a damaged file "
            f"({str(error).splitlines()[0]}); bring it back from a backup of the home; where there is none, delete it: "
            "valid_from of its rows begins anew"
        ) from error


def _insert(warehouse: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame, source: str) -> None:
    warehouse.register("incoming", rows.with_columns(source=pl.lit(source)))
    warehouse.execute(f"insert into list.{table} by name select * from incoming")
    warehouse.unregister("incoming")
