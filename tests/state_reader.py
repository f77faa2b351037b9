"""What readers of the published state do, each in a process of its own that knows nothing but DuckDB."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb

# In one connection: of facts, a history, a view, a mart, and what the state says of itself.
_TOTALS = """
    select
        (select max(publication_id) from ops.publication),
        (select batch_count from ops.publication order by publication_id desc limit 1),
        (select count(*) from ops.loaded_batch),
        (select count(*) from core.payment), (select sum(amount_fen) from core.payment),
        (select sum(amount_fen) from bi.fact_payment),
        (select count(*) from core.customer), (select count(*) from mart.loyalty)
"""
Seen = tuple[Any, ...]


def connect(database: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(database), read_only=True, config={"threads": 1})


def totals(connection: duckdb.DuckDBPyConnection) -> Seen:
    (row,) = connection.execute(_TOTALS).fetchall()
    return tuple(row)


def parquet_beside(database: Path, publication_id: str) -> list[Path]:
    """The files of a state whose database is open: so long it stays where it is, under the name of its publication."""
    home = next(each for each in database.parents if each.name == "bi")
    return sorted((home / "states" / publication_id).glob("*.parquet"))


def look(database: Path) -> Seen:
    """The totals of the state at hand, and the rows of a mart in the Parquet file beside it."""
    with connect(database) as connection:
        seen = totals(connection)
        (path,) = [each for each in parquet_beside(database, seen[0]) if each.stem == "mart_loyalty"]
        return (*seen, *connection.execute(f"select count(*) from '{path}'").fetchall()[0])


def read_on(database: Path, reads: Any, is_over: Any, said: Any) -> None:
    """Connection after connection without a pause; says how often it saw what, and what went wrong."""
    os.nice(19)  # there are more readers than cores, and publications must come forward
    seen: Counter[Seen] = Counter()
    try:
        while not is_over.is_set():
            seen[look(database)] += 1
            reads.value += 1
    except Exception as error:
        reads.value = -1
        said.put((seen, repr(error)))
    else:
        said.put((seen, None))


def hold(database: Path, is_open: Any, is_over: Any, said: Any) -> None:
    """Half of a query before everything else; the other half, the totals and the Parquet files once all is over."""
    with connect(database) as connection:
        before = totals(connection)
        rows = connection.cursor().execute("select amount_fen from core.payment cross join range(20000)")
        total = sum(amount for (amount,) in rows.fetchmany(10))
        is_open.set()
        is_over.wait()
        total += sum(amount for (amount,) in rows.fetchall())
        said.put((before, totals(connection), total, _beside(connection, parquet_beside(database, before[0]))))


def _beside(connection: duckdb.DuckDBPyConnection, files: list[Path]) -> dict[str, bool]:
    """For each Parquet file whether it holds what its table in the database holds."""
    found = {}
    for path in files:
        table = path.stem.replace("_", ".", 1)
        rows, same = (connection.execute(f"from {each} order by all").fetchall() for each in (table, f"'{path}'"))
        found[path.name] = rows == same
    return found
