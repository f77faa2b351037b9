"""What the report tells, read from the marts of a warehouse: counts by source, never a key of anybody."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipelines.ledger.publications import ListRecord

Row = dict[str, Any]

_HERE = Path(__file__).parent
_QUERIES = (
    "source", "tier_title", "tier", "warning", "warning_rule", "loyalty", "segment", "call", "conflict", "kpi_trend",
    "kpi_last",
)  # fmt: skip
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Figures:
    """The rows of each query by its name, and the lists of the publication.

    `publication` and `former` say of which publication and as-of date each state is; `former` is None and `movement`
    empty where there was no state before or it cannot be read.
    """

    publication: Row
    lists: tuple[ListRecord, ...]
    former: Row | None
    movement: list[Row]
    rows: dict[str, list[Row]]


def read_figures(
    warehouse: duckdb.DuckDBPyConnection, publication_id: str, lists: Iterable[ListRecord], former: Path
) -> Figures:
    """Read what a publication that is being made tells; `former` is the directory of the state before it."""
    (publication,) = _rows(warehouse, "publication", publication_id=publication_id)
    rows = {name: _rows(warehouse, name) for name in _QUERIES}
    before, movement = _movement(warehouse, former)
    return Figures(publication, tuple(lists), before, movement, rows)


def _movement(warehouse: duckdb.DuckDBPyConnection, former: Path) -> tuple[Row | None, list[Row]]:
    if not former.exists():
        return None, []
    database = str(former / "current.duckdb")
    quoted = database.replace("'", "''")
    try:
        warehouse.execute(f"attach '{quoted}' as former (read_only)")
        (before,) = _rows(warehouse, "former", publication_id=former.resolve().name)
        return before, _rows(warehouse, "movement")
    except (duckdb.Error, ValueError) as error:  # damaged, or of a release that had other tables
        _log.warning("%s: the report cannot compare with it: %s", database, " ".join(str(error).split()))
        return None, []
    finally:
        with suppress(duckdb.Error):
            warehouse.execute("detach former")


def _rows(warehouse: duckdb.DuckDBPyConnection, query: str, **parameters: str) -> list[Row]:
    cursor = warehouse.execute((_HERE / f"{query}.sql").read_text(encoding="utf-8"), parameters)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
