"""Event feeds in core: every accepted row with its origin; of several rows with one key the newest is current."""

from __future__ import annotations

from pathlib import Path

import duckdb

from pipelines.contracts.model import Contract
from warehouse.changes import note_touched, users_of
from warehouse.core_queries import candidates_of, core_model, facts_of
from warehouse.staged import STAGED, staged_columns
from warehouse.statements import any_rows

PATCH_FEED = "CHNG"


def replace_facts(connection: duckdb.DuckDBPyConnection, contract: Contract, incoming: list[Path]) -> None:
    """Take the rows of temp table `removing` out of a fact table and put those of staged files in.

    Rows that were displaced as current by what goes come back; the current row of a key is that with the greatest
    (cycle, source, seq, line). Subscribers whose patches may differ now go into temp table `patched_entity`; who
    loses rows, or has others that count now, is noted. What is looked at are keys that more than one row has, or had:
    a batch of new keys costs its insertion.
    """
    table = f"core.{contract.table}"
    leaving = f"from {table} where batch_stem in (select stem from removing where feed = '{contract.feed}')"
    _make_contested(connection, contract)
    connection.execute("create or replace temp table touched (entity_id varchar)")
    if any_rows(connection, f"from removing where feed = '{contract.feed}'"):
        _contest_displaced(connection, contract, leaving)
        _touch(connection, contract, leaving)
        connection.execute(f"delete {leaving}")
    if incoming:
        _contest_incoming(connection, contract, incoming)
        _insert(connection, contract, incoming)
    _mark_current(connection, contract)
    if any_rows(connection, "from touched"):
        note_touched(connection, contract.table)


def _touch(connection: duckdb.DuckDBPyConnection, contract: Contract, rows: str) -> None:
    if users := users_of(contract, rows):
        connection.execute(f"insert into touched {users}")
    _note_patched(connection, contract, rows)


def _make_contested(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Temp table `contested`: the keys of which some other row may be the current one now."""
    key = ", ".join(contract.key)
    connection.execute(f"create or replace temp table contested as select {key} from core.{contract.table} limit 0")


def _contest_displaced(connection: duckdb.DuckDBPyConnection, contract: Contract, leaving: str) -> None:
    """Keys of rows that go and that displaced others: only where a row is not current can one come back."""
    key = ", ".join(contract.key)
    connection.execute(
        f"""
        insert into contested
        select {key} from core.{contract.table} where not is_current
        intersect
        select {key} {leaving}
        """
    )


def _contest_incoming(connection: duckdb.DuckDBPyConnection, contract: Contract, incoming: list[Path]) -> None:
    """Keys that come in and are there, and those that several files bring: one file has each of its keys once."""
    key, paths = ", ".join(contract.key), {"paths": [str(path) for path in incoming]}
    connection.execute(
        f"insert into contested select {key} from core.{contract.table} semi join read_parquet($paths) using ({key})",
        paths,
    )
    if len(incoming) > 1:
        connection.execute(
            f"insert into contested select {key} from read_parquet($paths) group by {key} having count(*) > 1", paths
        )


def _insert(connection: duckdb.DuckDBPyConnection, contract: Contract, incoming: list[Path]) -> None:
    columns = staged_columns(connection, contract, incoming)
    paths = {"paths": [str(path) for path in incoming]}
    connection.execute(f"insert into core.{contract.table} by name {facts_of(columns, STAGED)}", paths)
    _note_patched(connection, contract, "from read_parquet($paths)", paths)


def _note_patched(
    connection: duckdb.DuckDBPyConnection, contract: Contract, rows: str, parameters: dict[str, list[str]] | None = None
) -> None:
    if contract.feed == PATCH_FEED:
        connection.execute(f"insert into patched_entity select distinct user_id {rows}", parameters)


def _mark_current(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    if not any_rows(connection, "from contested"):
        return
    table = f"core.{contract.table}"
    contested = f"{table} semi join contested using ({', '.join(contract.key)})"
    connection.execute(f"create or replace temp view candidate as {candidates_of(contract, contested)}")
    connection.execute(
        f"create or replace temp table displaced as from ({core_model('newest')}) where is_current <> is_newest"
    )
    _touch(connection, contract, "from displaced")
    connection.execute(
        f"""
        update {table} set is_current = displaced.is_newest
        from displaced
        where {table}.batch_stem = displaced.batch_stem and {table}.line = displaced.line
        """
    )
