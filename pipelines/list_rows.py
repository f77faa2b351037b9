"""What stands in the lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import polars as pl


def number_conflicts(bi: Path) -> int:
    """How many open subscribers the published state tells of whose number the TIER list gives to another."""
    with duckdb.connect(str(bi / "current.duckdb"), read_only=True) as state:
        ((count,),) = state.execute("select count(*) from list.tier_number_conflict").fetchall()
    return int(count)


def fetched(warehouse: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]) -> pl.DataFrame:
    """What a query finds."""
    frame = pl.from_arrow(warehouse.sql(query, params=parameters).to_arrow_table())
    assert isinstance(frame, pl.DataFrame)
    return frame
