"""Stateful feeds in core: accepted records, and from them the periods of the entities that a load touches."""

from __future__ import annotations

from pathlib import Path

import duckdb

from pipelines.contracts.model import Contract
from warehouse.changes import note_touched, owners_of
from warehouse.core_queries import PATCHED_TABLE, core_model, ended_of, periods_of, record_of, records_of
from warehouse.staged import STAGED, staged_columns


def replace_records(connection: duckdb.DuckDBPyConnection, contract: Contract, incoming: list[Path]) -> None:
    """Take records of temp table `removing` out, put those of staged files in, and work out touched periods anew."""
    records = f"core.{contract.table}_record"
    leaving = f"from {records} where batch_stem in (select stem from removing where feed = '{contract.feed}')"
    connection.execute(
        f"create or replace temp table touched as select distinct {contract.entity_key} as entity_id {leaving}"
    )
    connection.execute(f"delete {leaving}")
    if incoming:
        _insert(connection, contract, incoming)
    _touch_by_snapshots(connection, contract)
    if contract.table == PATCHED_TABLE:
        connection.execute("insert into touched select entity_id from patched_entity")
    connection.execute("create or replace temp table touched as select distinct entity_id from touched")
    if connection.execute("select count(*) from touched").fetchall() != [(0,)]:
        _note_owners(connection, contract)
        _rework_periods(connection, contract)
        note_touched(connection, contract.table)


def _note_owners(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    if contract.entity_key != "user_id" and any(column.name == "user_id" for column in contract.stored_columns):
        owners = f"select user_id as entity_id from core.{contract.table} where user_id is not null"
        touched = f"{contract.entity_key} in (select entity_id from touched)"
        note_touched(connection, owners_of(contract.table), f"{owners} and {touched}")


def _insert(connection: duckdb.DuckDBPyConnection, contract: Contract, incoming: list[Path]) -> None:
    paths = [str(path) for path in incoming]
    connection.execute(
        f"insert into touched select distinct {contract.entity_key} from read_parquet($paths)", {"paths": paths}
    )
    columns = staged_columns(connection, contract, incoming)
    connection.execute(
        f"insert into core.{contract.table}_record by name {records_of(columns, STAGED)}", {"paths": paths}
    )


def _touch_by_snapshots(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """A snapshot that begins or ceases to count can end periods of every entity of its source."""
    connection.execute(
        f"""
        insert into touched
        select {contract.entity_key}
        from core.{contract.table}_record
        where source in (
            select source from snapshot_change where feed = '{contract.feed}'
            union
            select source from adding where feed = '{contract.feed}' and mode = 'F'
            union
            select source from removing where feed = '{contract.feed}' and mode = 'F'
        )
        """
    )


def _rework_periods(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    table, records = f"core.{contract.table}", f"core.{contract.table}_record"
    connection.execute(f"create or replace temp view record as {record_of(contract, records)}")
    connection.execute(f"create or replace temp table absence as {core_model('absence')}", {"feed": contract.feed})
    connection.execute(f"create or replace temp table patch as {core_model('patch')}")
    _note_ends(connection, contract)
    connection.execute(f"delete from {table} where {contract.entity_key} in (select entity_id from touched)")
    connection.execute(f"insert into {table} by name {periods_of(contract, records)}")
    connection.execute(f"insert into ended {ended_of(contract, table, 'was_ended')}")


def _note_ends(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Temp table `was_ended`: periods that ended before with a snapshot's cycle."""
    connection.execute(
        f"""
        create or replace temp table was_ended as
        select {contract.entity_key}, valid_to
        from core.{contract.table}
        where
            {contract.entity_key} in (select entity_id from absence)
            and valid_to in (select ends_at from ops.snapshot where feed = '{contract.feed}')
        """
    )
