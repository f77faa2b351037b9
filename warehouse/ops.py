"""The ledger as tables, so that operators and BI can ask in SQL; refreshed with every build."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import polars as pl

from pipelines.completeness import CycleStatus
from pipelines.ledger.deliveries import Delivery
from pipelines.ledger.leading import Leading
from warehouse.statements import transaction


def refresh_ops(
    connection: duckdb.DuckDBPyConnection,
    batches: Iterable[Leading],
    cycles: Iterable[CycleStatus],
    deliveries: Iterable[Delivery],
) -> None:
    """Put batches (one row a stem), cycles and deliveries of the ledger into the tables of ops of these names."""
    texts = ("stem", "feed", "source", "mode", "cycle", "seq", "version", "state", "code")
    counts = ("records", "loaded", "rejected", "offered_no")
    schema: dict[str, Any] = dict.fromkeys(texts, pl.String) | dict.fromkeys(counts, pl.Int64)
    rows = [[getattr(batch, name) for name in (*texts, *counts)] for batch in batches]
    _fill(connection, "ops.batch", rows, schema)
    statuses = [[*vars(status.key).values(), status.state.value, status.is_on_time] for status in cycles]
    schema = dict.fromkeys(("feed", "source", "mode", "cycle", "state"), pl.String) | {"is_on_time": pl.Boolean}
    _fill(connection, "ops.cycle", statuses, schema)
    columns = ("receiver", "stem", "publication_id", "state", "attempts", "delivered_at", "message")
    schema = dict.fromkeys(columns, pl.String) | {"attempts": pl.Int64, "delivered_at": pl.Datetime("us")}
    sent = [[getattr(each, name) for name in columns] for each in deliveries]
    _fill(connection, "ops.delivery", sent, schema)


def _fill(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[Any]], schema: dict[str, Any]
) -> None:
    connection.register("incoming", pl.DataFrame(rows, schema=schema, orient="row"))
    with transaction(connection):
        connection.execute(f"delete from {table}")
        connection.execute(f"insert into {table} by name select * from incoming")
    connection.unregister("incoming")
