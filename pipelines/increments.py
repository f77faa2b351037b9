"""Increments of lists: how one follows from the full list it rests on, and what it makes of that again."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl

from pipelines.list_rows import fetched
from pipelines.lists import ListKind

_NO_CONTENT = ("op", "valid_from")


def increment(warehouse: duckdb.DuckDBPyConnection, kind: ListKind, source: str, full: Path) -> pl.DataFrame:
    """The rows of a source's list that the full one (Parquet) has not or has otherwise; with `op`, what is gone too.

    Applied to the full list it gives the present one: `I` and `U` put a row in the place of its key, `D` removes it.
    """
    columns = [name for (name, *_) in warehouse.execute(f"describe {kind.table}").fetchall() if name != "source"]
    content = ", ".join(column for column in columns if column not in _NO_CONTENT)
    key, has_op = ", ".join(kind.key), "op" in columns
    same = " and ".join(
        f"present.{column} is not distinct from base.{column}" for column in (*kind.key, "content_hash")
    )
    told = f"replace (case when ({key}) in (select {key} from base) then 'U' else 'I' end as op)" if has_op else ""
    # What a row says is told by its hash: a million compared column by column take three times as long.
    changed = f"""
        with present as (
            select * exclude (source), hash({content}) as content_hash from {kind.table} where source = $source
        ),

        base as (
            select {key}, hash({content}) as content_hash from read_parquet($full)
        )

        select present.* exclude (content_hash) {told} from present anti join base on {same}
        order by all
    """
    gone = f"""
        select {", ".join(columns)} from read_parquet($full) as base
        anti join (select * from {kind.table} where source = $source) as present using ({key})
        order by all
    """
    parameters = {"source": source, "full": str(full)}
    rows = fetched(warehouse, changed, parameters)
    if not has_op:
        return rows
    return pl.concat([rows, fetched(warehouse, gone, parameters).with_columns(op=pl.lit("D"))], how="vertical_relaxed")
