"""The warehouse file: opening it for writing, and the tables that contracts ask for."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from pipelines.contracts.model import CodeList, Column, Contract, Contracts, Type
from pipelines.errors import HeldOpenError, StoreError
from warehouse.comments import code_list_comments, feed_comments
from warehouse.damage import raise_damage
from warehouse.feed_terms import hold_terms
from warehouse.models import load_reference
from warehouse.reference import CALENDAR, make_calendar
from warehouse.statements import literal, transaction
from warehouse.versions import bring_to_version

FILE_NAME = "warehouse.duckdb"
# Readers' drivers are older than we are: a file in this format opens in DuckDB from 1.2 on.
STORAGE_VERSION = "v1.0.0"
SQL_TYPES = {
    Type.TEXT: "VARCHAR",
    Type.ID: "VARCHAR",
    Type.CODE: "VARCHAR",
    Type.MONTH: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.MONEY: "BIGINT",
    Type.DATE: "DATE",
    Type.TIMESTAMP: "TIMESTAMP",
}
_ORIGIN = {"source": "VARCHAR", "batch_stem": "VARCHAR", "line": "BIGINT"}
MEMORY_MB = 3000  # of DuckDB alone; the process needs half a gigabyte besides
_PATIENCE_S = 60.0  # how long a stray process is waited for
_GLANCE_S = 0.2
_HELD = re.compile(r"Conflicting lock is held in (.+? \(PID \d+\)(?: by user \S+)?)")
_log = logging.getLogger(__name__)
_OPS = (Path(__file__).parent / "tables.sql").read_text


@contextmanager
def open_warehouse(
    directory: Path, contracts: Contracts, memory_mb: int = MEMORY_MB
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse of a home, for its one writer; its tables are made where they are not there yet.

    What DuckDB needs beyond `memory_mb` goes to disk, as far as it can.
    One that an older release made is brought along first. A stray process that has the file open is waited for a while.
    Raises StoreError naming it where it does not let go, for a warehouse of a version that cannot be brought to this
    release's, and where work with it meets damage.
    """
    if not (directory / FILE_NAME).exists():
        _create(directory / FILE_NAME)
    with open_as_found(directory) as connection:
        connection.execute(f"set memory_limit = '{memory_mb}MB'")
        connection.execute(f"set temp_directory = {literal(directory / 'spill')}")
        bring_to_version(connection, directory / FILE_NAME)
        make_tables(connection, contracts)
        yield connection


@contextmanager
def open_as_found(directory: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse of a home as it is, whatever release made it; raises StoreError as `open_warehouse` does."""
    with duckdb.connect() as connection:
        try:
            _attach_patiently(connection, directory / FILE_NAME)
            connection.execute("use warehouse")
            yield connection
        except (duckdb.Error, StoreError) as error:
            raise_damage(error, directory / FILE_NAME)
            raise


def _create(path: Path) -> None:
    """Make an empty warehouse whole before it has its name: one that a full disk cut off would never open."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with duckdb.connect() as connection:
        attach(connection, fresh, "fresh")
        connection.execute("checkpoint fresh")
    fresh.replace(path)


def _attach_patiently(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Attach the warehouse once nobody else has it open; our own writers wait for each other by a lock before."""
    deadline = time.monotonic() + _PATIENCE_S
    is_told = False
    while True:
        try:
            attach(connection, path, "warehouse")
            return
        except HeldOpenError as error:
            if time.monotonic() >= deadline:
                raise
            if not is_told:
                _log.warning("%s; waiting up to %g s for it", error, _PATIENCE_S)
                is_told = True
            time.sleep(_GLANCE_S)


def attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    """Attach a DuckDB file for writing in the format that old readers understand.

    Raises HeldOpenError, with the process, where another has it open, StoreError where it does not open.
    """
    try:
        connection.execute(f"attach {literal(path)} as {name} (storage_version '{STORAGE_VERSION}')")
    except duckdb.IOException as error:
        if held := _HELD.search(str(error)):
            raise HeldOpenError(
                f"{path}: expected no other process with the warehouse open, found {held[1]}; close it there: readers "
                "open bi/current.duckdb"
            ) from error
        raise StoreError(f"{path}: the warehouse cannot be opened for writing: {str(error).splitlines()[0]}") from error


def make_tables(connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
    """Make what contracts and code lists ask for, with comments; present tables are kept and get what they lack.

    The warehouse remembers for which contracts that was done, for it takes longer than a small load. All of it is made
    or nothing. Raises StoreError for a column that no contract explains any more, or not as it is, and for a feed
    that has another table, key or deletion rule than its rows.
    """
    fingerprint = hashlib.sha256(repr((contracts, _OPS(), load_reference(CALENDAR))).encode()).hexdigest()
    connection.execute("create schema if not exists ops")
    connection.execute("create table if not exists ops.made_for (fingerprint varchar)")
    if connection.execute("select fingerprint from ops.made_for").fetchall() == [(fingerprint,)]:
        return
    with transaction(connection):
        _make_all(connection, contracts)
        connection.execute("delete from ops.made_for")
        connection.execute("insert into ops.made_for values ($fingerprint)", {"fingerprint": fingerprint})


def look_at_tables(connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
    """Raise what `make_tables` would, and leave all as it is."""
    connection.execute("begin")
    try:
        _make_all(connection, contracts)
    finally:
        with suppress(duckdb.TransactionException):
            connection.execute("rollback")


def _make_all(connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
    for schema in ("core", "mart", "ops", "list", "policy"):
        connection.execute(f"create schema if not exists {schema}")
    connection.execute(_OPS())
    hold_terms(connection, contracts)
    make_feed_tables(connection, contracts.feeds)
    for code_list in contracts.code_lists:
        _fill_code_list(connection, code_list)
    make_calendar(connection)


def make_feed_tables(connection: duckdb.DuckDBPyConnection, contracts: Iterable[Contract]) -> None:
    """`core.<table>` of every feed; for a stateful one its accepted records in `core.<table>_record` too."""
    present = _present_columns(connection)
    statements = []
    for contract in contracts:
        tables = feed_tables(contract)
        for table, columns in tables.items():
            if table in present:
                statements += _grow(contract, table, columns, present[table])
            else:
                listed = ", ".join(f"{name} {sql_type}" for name, sql_type in columns.items())
                statements.append(f"create table core.{table} ({listed});")
        statements.append(feed_comments(contract, tables))
    connection.execute("\n".join(statements))


def _present_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """The columns of core's tables with their SQL types."""
    present: dict[str, dict[str, str]] = {}
    for table, column, sql_type in connection.execute(
        """
        select table_name, column_name, data_type from duckdb_columns()
        where database_name = current_database() and schema_name = 'core'
        """
    ).fetchall():
        present.setdefault(table, {})[column] = sql_type
    return present


def feed_tables(contract: Contract) -> dict[str, dict[str, str]]:
    """The tables of core that a feed fills, by name: their columns with SQL types, those of all versions."""
    columns = {column.name: SQL_TYPES[column.type] for column in contract.stored_columns}
    placed = {"source": "VARCHAR", "cycle": "VARCHAR", "seq": "VARCHAR", "batch_stem": "VARCHAR", "line": "BIGINT"}
    if not contract.stateful:
        return {contract.table: columns | placed | {"is_current": "BOOLEAN"}}
    state = {name: sql_type for name, sql_type in columns.items() if name != "op"}
    period = {"valid_from": "TIMESTAMP", "valid_to": "TIMESTAMP", "is_current": "BOOLEAN"}
    return {
        f"{contract.table}_record": columns | placed | {"mode": "VARCHAR", "applies_at": "TIMESTAMP"},
        contract.table: state | _ORIGIN | period,
    }


def _grow(contract: Contract, table: str, columns: dict[str, str], present: dict[str, str]) -> list[str]:
    """The statements that give a table of before a contract changed the columns that it lacks: null in its rows."""
    for name, sql_type in present.items():
        if columns.get(name) != sql_type:
            raise StoreError(_misfit(contract, f"core.{table}, column {name}", columns.get(name), sql_type))
    lacking = columns.keys() - present.keys()
    return [f"alter table core.{table} add column {name} {columns[name]};" for name in columns if name in lacking]


def _misfit(contract: Contract, place: str, expected: str | None, found: str) -> str:
    """What to do with a warehouse that no load can bring to its contracts."""
    feed, aside = contract.feed, f"or set warehouse/{FILE_NAME} aside and run"
    if expected is None:
        return (
            f"{place}: expected a column of any version of {feed}, found one that none has; put the contract that had "
            f"it back beside the newest, as feeds/{feed}@VERSION.yaml, {aside} 'tierline load', which makes the "
            "warehouse anew from staged/ without it"
        )
    return (
        f"{place}: expected {expected}, as the contract of {feed} says, found {found}; a new type wants a new column: "
        f"put the type back, {aside} 'tierline replay --feed {feed} --from CYCLE --to CYCLE' over all its cycles, "
        "which judges them again from archive/ and makes the warehouse anew"
    )


def _fill_code_list(connection: duckdb.DuckDBPyConnection, code_list: CodeList) -> None:
    known = [
        {"code": code.value, "title_en": code.title_en, "title_zh": code.title_zh, **dict(code.attributes)}
        for code in code_list.codes
    ]
    columns = list(dict.fromkeys(["code", "title_en", "title_zh", *(name for each in known for name in each)]))
    listed = ", ".join(f"{name} varchar" for name in columns)
    connection.execute(f"create or replace table core.{code_list.name} ({listed})")
    values = ", ".join(f"unnest(cast(${number} as varchar[]))" for number in range(1, len(columns) + 1))
    by_column = [[each.get(name) for each in known] for name in columns]
    connection.execute(f"insert into core.{code_list.name} select {values}", by_column)
    connection.execute(code_list_comments(code_list, columns))


def state_columns(contract: Contract) -> list[Column]:
    """The attributes whose change opens a period: all columns but the entity's key, op and op_time."""
    return [column for column in contract.stored_columns if column.name not in ("op", "op_time", contract.entity_key)]
