"""core, mart → published: a state of the warehouse that readers open while the next one is being loaded.

A state is a directory of its own below `bi/states/`; the link `bi/current` names the one at hand, so a new state
appears at once and whole, and whoever has the old one open reads on undisturbed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb

from pipelines.contracts.model import Contracts
from pipelines.durable import sync_directory
from warehouse.store import attach, feed_tables

CURRENT = "current"
DATABASES = ("current.duckdb", "private.duckdb")
SCHEMAS = ("core", "mart", "ops", "policy")
_KEPT_STATES = 2  # the one at hand, and the one that a reader may just be opening
# How a value of personal data is shown to whoever may not see it; NULL stays NULL.
_MASKS = {
    "phone": "case when length({0}) >= 8 then left({0}, 3) || '****' || right({0}, 4) else left({0}, 1) || '****' end",
    "number": "regexp_replace({0}, '^(1[3-9][0-9]|0[0-9]{{2}})[0-9]+([0-9]{{4}})$', '\\1****\\2')",
    "name": "left({0}, 1) || '*'",
    "email": "left({0}, 1) || '***' || substr({0}, strpos({0}, '@'))",
    "hidden": "null",
}


def write_state(connection: duckdb.DuckDBPyConnection, contracts: Contracts, directory: Path) -> None:
    """Write the databases and the Parquet files of a state; the directory is new or a leftover of a broken run."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o750, parents=True)
    for name in DATABASES:
        _write_database(connection, contracts, directory / name, is_masked=name == CURRENT + ".duckdb")
    (directory / "private.duckdb").chmod(0o600)


def show_state(bi: Path, directory: Path) -> None:
    """Let readers meet this state from now on; older ones but the last are cleared away."""
    _point(bi / CURRENT, Path("states") / directory.name)
    for name in DATABASES:
        _point(bi / name, Path(CURRENT) / name)
    sync_directory(bi)
    states = sorted((bi / "states").iterdir(), key=lambda state: state.stat().st_mtime)
    for state in states[:-_KEPT_STATES]:
        if state.name != directory.name:
            shutil.rmtree(state)


def state_opens(bi: Path) -> bool:
    """Whether the databases of the state at hand can be opened; one that was damaged is published anew."""
    for name in DATABASES:
        try:
            duckdb.connect(str(bi / name), read_only=True).close()
        except duckdb.Error:
            return False
    return True


def _point(link: Path, target: Path) -> None:
    if link.is_symlink() and Path(os.readlink(link)) == target:
        return
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    os.replace(fresh, link)


def _write_database(
    connection: duckdb.DuckDBPyConnection, contracts: Contracts, path: Path, *, is_masked: bool
) -> None:
    masks = _masks(contracts) if is_masked else {}
    orders = {table: list(columns) for each in contracts.feeds for table, columns in feed_tables(each).items()}
    attach(connection, path, "state")
    try:
        for schema in SCHEMAS:
            connection.execute(f"create schema state.{schema}")
            for table in _tables(connection, schema):
                # A table that grew has its columns in another order than a new one; readers meet that of the contracts.
                order = orders.get(table) if schema == "core" else None
                columns = order or _columns(connection, schema, table)
                shown = ", ".join(f'{masks[name]} as "{name}"' if name in masks else f'"{name}"' for name in columns)
                connection.execute(f"create table state.{schema}.{table} as select {shown} from {schema}.{table}")
                if is_masked and schema == "mart":
                    _export(connection, table, path.with_name(f"mart_{table}.parquet"))
        _copy_comments(connection)
        connection.execute("checkpoint state")
    finally:
        connection.execute("detach state")


def _masks(contracts: Contracts) -> dict[str, str]:
    """How each column of personal data is shown: by its name, for models carry columns of contracts along."""
    return {
        column.name: _MASKS[column.mask].format(column.name)
        for contract in contracts.feeds
        for column in contract.stored_columns
        if column.mask is not None
    }


def _export(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> None:
    target = str(path).replace("'", "''")
    connection.execute(f"copy state.mart.{table} to '{target}' (format parquet)")


def _columns(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> list[str]:
    rows = connection.execute(
        "select column_name from duckdb_columns() "
        "where database_name = 'warehouse' and schema_name = $schema and table_name = $table order by column_index",
        {"schema": schema, "table": table},
    ).fetchall()
    return [name for (name,) in rows]


def _tables(connection: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    """The tables of the warehouse that readers get; records of stateful feeds are for the history alone."""
    rows = connection.execute(
        """
        select table_name from duckdb_tables()
        where database_name = 'warehouse' and schema_name = $schema and not ends_with(table_name, '_record')
        order by table_name
        """,
        {"schema": schema},
    ).fetchall()
    return [name for (name,) in rows]


def _copy_comments(connection: duckdb.DuckDBPyConnection) -> None:
    """What contracts and models say of tables and columns, for readers too."""
    commented = connection.execute(
        """
        select 'table', schema_name, table_name, comment from duckdb_tables()
        where database_name = 'warehouse' and comment is not null
        union all
        select 'column', schema_name, table_name || '.' || column_name, comment from duckdb_columns()
        where database_name = 'warehouse' and comment is not null
        """
    ).fetchall()
    for kind, schema, name, comment in commented:
        if schema in SCHEMAS:
            text = comment.replace("'", "''")
            connection.execute(f"comment on {kind} state.{schema}.{name} is '{text}'")
