"""Staged cycles drawn by hand, and what a real DuckDB finds of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipelines.checks.staging import staged_schema
from pipelines.contracts.load import load_contracts
from pipelines.contracts.model import Contract, Contracts
from pipelines.names import CycleKey, parse_stem
from pipelines.quality.profile import Profile
from warehouse.profile import StagedCycle, profile
from warehouse.store import make_tables

CONTRACTS = load_contracts()
Row = dict[str, Any]


@contextmanager
def warehouse(contracts: Contracts = CONTRACTS) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as warehouse")
        connection.execute("use warehouse")
        make_tables(connection, contracts)
        yield connection


def stage(directory: Path, stem: str, rows: list[Row], contract: Contract | None = None) -> Path:
    """A staged file of these rows; whatever a row does not say is missing."""
    schema = staged_schema(contract or CONTRACTS[stem[:4]])
    whole = [dict.fromkeys(schema) | row | {"batch_stem": stem, "line": line} for line, row in enumerate(rows, 2)]
    path = directory / f"{stem}.parquet"
    pl.DataFrame(whole, schema=schema).write_parquet(path)
    return path


def staged(directory: Path, batches: dict[str, list[Row]]) -> list[StagedCycle]:
    """The cycles of these batches, by stem."""
    cycles: dict[CycleKey, dict[str, Path]] = {}
    for stem, rows in batches.items():
        name = parse_stem(stem)
        assert name is not None
        cycles.setdefault(name.cycle_key, {})[stem] = stage(directory, stem, rows)
    return [StagedCycle(key, files) for key, files in cycles.items()]


def profiled(
    connection: duckdb.DuckDBPyConnection, cycles: list[StagedCycle], contracts: Contracts = CONTRACTS
) -> tuple[dict[str, Profile], dict[str, int]]:
    """Profiles by the text of their cycle, and orphans by stem."""
    contract = contracts[cycles[0].key.feed]
    targets = {each.feed: contracts[each.feed] for each in contract.foreign_keys}
    found, orphans = profile(connection, contract, targets, cycles)
    return {str(key): each for key, each in found.items()}, orphans


def one(connection: duckdb.DuckDBPyConnection, directory: Path, stem: str, rows: list[Row]) -> Profile:
    found, _ = profiled(connection, staged(directory, {stem: rows}))
    (only,) = found.values()
    return only


def put(connection: duckdb.DuckDBPyConnection, table: str, *rows: Row) -> None:
    """Records that core holds."""
    for row in rows:
        listed = ", ".join(f"${name}" for name in row)
        connection.execute(f"insert into core.{table} ({', '.join(row)}) values ({listed})", row)
