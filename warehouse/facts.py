"""Event feeds in core: every accepted row with its origin; of several rows with one key the newest is current."""

from __future__ import annotations

from pathlib import Path

import duckdb

from pipelines.contracts.model import Contract
from warehouse.staged import STAGED, staged_columns


def replace_facts(connection: duckdb.DuckDBPyConnection, contract: Contract, incoming: list[Path]) -> None:
    """Take the rows of temp table `removing` out of a fact table and put those of staged files in.

    Rows that were displaced as current by what goes come back; the current row of a key is that with the greatest
    (cycle, source, seq, line). Subscribers whose patches may differ now go into temp table `patched_entity`.
    """
    table, key = f"core.{contract.table}", ", ".join(contract.key)
    leaving = f"from {table} where batch_stem in (select stem from removing where feed = '{contract.feed}')"
    connection.execute(f"create or replace temp table touched as select distinct {key} {leaving}")
    if incoming:
        _touch(connection, contract, incoming)
    _note_patched(connection, contract)  # before rows go: of those that leave
    connection.execute(f"delete {leaving}")
    if incoming:
        _insert(connection, contract, incoming)
    _note_patched(connection, contract)
    _mark_current(connection, contract)


PATCH_FEED = "CHNG"


def _insert(connection: duckdb.DuckDBPyConnection, contract: Contract, incoming: list[Path]) -> None:
    columns = staged_columns(connection, contract, incoming)
    connection.execute(
        f"""
        insert into core.{contract.table} by name
        select staged.*, adding.source, adding.cycle, adding.seq, true as is_current
        from (select {columns} from {STAGED}) as staged
        inner join adding on staged.batch_stem = adding.stem
        """,
        {"paths": [str(path) for path in incoming]},
    )


def _touch(connection: duckdb.DuckDBPyConnection, contract: Contract, incoming: list[Path]) -> None:
    """Keys that come in, beside those that leave."""
    key = ", ".join(contract.key)
    paths = [str(path) for path in incoming]
    connection.execute(f"insert into touched select {key} from read_parquet($paths)", {"paths": paths})


def _note_patched(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    if contract.feed == PATCH_FEED:
        key = ", ".join(contract.key)
        rows = f"core.{contract.table} semi join touched using ({key})"
        connection.execute(f"insert into patched_entity select distinct user_id from {rows}")


def _mark_current(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    table, key = f"core.{contract.table}", ", ".join(contract.key)
    connection.execute(
        f"""
        create or replace temp table ranked as
        with contested as (
            select {key} from {table} semi join touched using ({key}) group by {key} having count(*) > 1
            union
            select {key} from {table} semi join touched using ({key}) where not is_current
        )
        select
            batch_stem, line,
            row_number() over (
                partition by {key} order by cycle desc, source desc, seq desc, line desc
            ) = 1 as is_newest
        from {table} semi join contested using ({key})
        """
    )
    connection.execute(
        f"""
        update {table} set is_current = ranked.is_newest
        from ranked
        where {table}.batch_stem = ranked.batch_stem and {table}.line = ranked.line
            and {table}.is_current <> ranked.is_newest
        """
    )
