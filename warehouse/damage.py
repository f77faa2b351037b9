"""A DuckDB file that is damaged, told apart from one that is locked, out of our rights, or without room to grow."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from pipelines.errors import StoreError

TO_DO = "make it anew: 'tierline rebuild --into DIR', then docs/operators/rebuild.md"
# As DuckDB says it: a block is not what was written, another kind of file, an early end.
_DAMAGE = re.compile(
    "Corrupt database file|is not a valid DuckDB database file"
    r'|Could not read enough bytes from file "[^"]*\.duckdb(?:\.wal)?"'
)


def is_damage(error: Exception) -> bool:
    """Whether what DuckDB says is that a file of its own is damaged."""
    return bool(_DAMAGE.search(str(error)))


def raise_damage(error: Exception, path: Path) -> None:
    """Raises StoreError, with the warehouse and what to do, where an error in working with it tells of damage."""
    if is_damage(error):
        raise StoreError(f"{path}: the warehouse is damaged: {str(error).splitlines()[0]}; {TO_DO}") from error


def require_whole_file(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raises StoreError where the file ends before the last block of rows; reads none of them.

    DuckDB itself finds that out when it comes there.
    """
    query = "select block_size from pragma_database_size() where database_name = current_database()"
    ((block_bytes,),) = connection.execute(query).fetchall()
    found = path.stat().st_size
    for table in _tables(connection):
        query = "select max(block_id) from pragma_storage_info($table) where persistent"
        ((last,),) = connection.execute(query, {"table": table}).fetchall()
        if last is not None and found < (expected := (last + 1) * block_bytes):
            raise StoreError(f"{path}: expected {expected} bytes at least, found {found}: it was cut off; {TO_DO}")


def read_whole(connection: duckdb.DuckDBPyConnection) -> None:
    """Read every value of the database at hand. Raises duckdb.Error where one cannot be read."""
    for table in _tables(connection):
        connection.execute(f"select max(hash(*columns(*))) from {table}").fetchall()


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    query = "select schema_name || '.' || table_name from duckdb_tables() where database_name = current_database()"
    return [table for (table,) in connection.execute(query).fetchall()]
