"""What many statements need: a transaction around them, text in them, whether there are any rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """What is done within is committed at the end; whatever is raised undoes it, and is raised on."""
    connection.execute("begin")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        with suppress(duckdb.TransactionException):  # a failed commit has rolled back by itself
            connection.execute("rollback")
        raise


def literal(value: Path | str) -> str:
    """A text in its quotes, for statements that take no parameters."""
    return "'" + str(value).replace("'", "''") + "'"


def any_rows(connection: duckdb.DuckDBPyConnection, rows: str) -> bool:
    """Whether a query has rows; it begins with its `from`."""
    return bool(connection.execute(f"select 1 {rows} limit 1").fetchall())
