"""Stateful feeds in core: accepted records, and from them the periods of the entities that a load touches."""

from __future__ import annotations

from pathlib import Path

import duckdb

from pipelines.contracts.model import Contract
from warehouse.changes import note_touched, owners_of
from warehouse.staged import STAGED, staged_columns
from warehouse.store import state_columns

_CORE = Path(__file__).parent / "core"
PATCHED_TABLE = "subscriber"  # the one history that takes CHNG patches; the others are plain


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
        f"""
        insert into core.{contract.table}_record by name
        select
            staged.*, adding.source, adding.cycle, adding.seq, adding.mode,
            case when adding.mode = 'F' then adding.cycle_end else staged.op_time end as applies_at
        from (select {columns} from {STAGED}) as staged
        inner join adding on staged.batch_stem = adding.stem
        """,
        {"paths": paths},
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
    _name_inputs(connection, contract)
    connection.execute(
        f"delete from core.{contract.table} where {contract.entity_key} in (select entity_id from touched)"
    )
    if contract.table == PATCHED_TABLE:
        model = (_CORE / "subscriber.sql").read_text()
        connection.execute(
            f"insert into core.subscriber by name select *, valid_to is null as is_current from ({model})"
        )
        return
    model = (_CORE / "history.sql").read_text()
    connection.execute(
        f"""
        insert into core.{contract.table} by name
        select
            record.* exclude (op, cycle, seq, mode, applies_at),
            period.valid_from, period.valid_to, period.valid_to is null as is_current
        from ({model}) as period
        inner join core.{contract.table}_record as record
            on period.batch_stem = record.batch_stem and period.line = record.line
        """
    )


def _name_inputs(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Temp relations `record`, `absence` and `patch`: what the history models read, for touched entities only."""
    attributes = ", ".join(f"{column.name} := {column.name}" for column in state_columns(contract))
    entity = contract.entity_key
    is_end = f"coalesce({contract.delete_when}, false)" if contract.delete_when else "false"
    connection.execute(
        f"""
        create or replace temp view record as
        select
            {entity} as entity_id, applies_at, op_time, cycle, mode, source, seq, line, batch_stem, {is_end} as is_end,
            struct_pack(source := source, {attributes}) as attributes
        from core.{contract.table}_record
        semi join touched on touched.entity_id = {entity}
        """
    )
    absence = (_CORE / "absence.sql").read_text()
    connection.execute(f"create or replace temp table absence as {absence}", {"feed": contract.feed})
    connection.execute(f"create or replace temp table patch as {(_CORE / 'patch.sql').read_text()}")
