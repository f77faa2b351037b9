"""Parts of a lake's tables that change: which they are, what they hold of before, and what takes their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import duckdb

from pipelines.contracts.model import Contract
from warehouse.spark.lake import MONTH, SOURCE, Parts
from warehouse.spark.tables import Tables
from warehouse.staged import staged_columns

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame

    from warehouse.load import StandingBatch

STAGED = "staged_rows"
PARTED = f"source as {SOURCE}, left(cycle, 6) as {MONTH}"


class PartsChange:
    """The batches that come and go, `gone` by stem as the manifest knows them, and what follows for parts."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        tables: Tables,
        came: list[StandingBatch],
        gone: Mapping[str, list[str]],
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._came = came
        self._gone = gone

    def _files(self, contract: Contract) -> list[Path]:
        return [batch.rows for batch in self._came if batch.feed == contract.feed]

    def _changed_parts(self, contract: Contract) -> set[str]:
        """The parts of which rows of batches that came or went are."""
        came = {_part(batch.source, batch.cycle) for batch in self._came if batch.feed == contract.feed}
        return came | {
            _part(source, cycle) for _, feed, source, _, cycle, _ in self._gone.values() if feed == contract.feed
        }

    def _name_staged(self, contract: Contract, columns: Mapping[str, str]) -> str:
        """View `staged_rows`: rows that came; returns their columns."""
        files = self._files(contract)
        listed = [*(column.name for column in contract.stored_columns), "batch_stem", "line"]
        if files:
            staged_columns(self._connection, contract, files)  # the types are those of the contract, or it is told
        rows = self._tables.read_files([str(path) for path in files], {name: columns[name] for name in listed})
        self._tables.name(STAGED, rows)
        return ", ".join(listed)

    def _name_kept_rows(self, table: str, columns: Mapping[str, str], changed: set[str]) -> None:
        """View `rows_kept`: what a table held until now in the parts that change."""
        old = self._tables.manifest.tables.get(table, {})
        self._tables.name("rows_kept", self._tables.read([old[part] for part in sorted(changed & old.keys())], columns))

    def _parts_with(self, table: str, condition: str, by: str = "") -> set[str]:
        """The parts of a table in which rows are of which a condition holds."""
        rows = self._rows(f"select distinct {by or PARTED} from {table} {condition}")
        names = (SOURCE,) if by else (SOURCE, MONTH)
        return {"/".join(f"{name}={value}" for name, value in zip(names, row, strict=True)) for row in rows}

    def _rows(self, sql: str) -> Iterable[tuple[str, ...]]:
        return [tuple(row) for row in self._tables.query(sql).collect()]

    def _exchange(self, table: str, rows: DataFrame, changed: set[str], by: Iterable[str] = (SOURCE, MONTH)) -> None:
        manifest = self._tables.manifest
        made = self._tables.lake.write(manifest, table, rows, by)
        old: Parts = manifest.tables.get(table, {})
        manifest.tables[table] = {part: place for part, place in old.items() if part not in changed} | made


def _part(source: str, cycle: str) -> str:
    return f"{SOURCE}={source}/{MONTH}={cycle[:6]}"
