"""What makes core and marts: DuckDB in its own file, or another engine that this file gets its results from."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Protocol

import duckdb

from pipelines.contracts.model import Contracts
from pipelines.policy import Policy
from warehouse.build import BuildResult
from warehouse.build import build as build_whole
from warehouse.facts import replace_facts
from warehouse.history import replace_records
from warehouse.reference import refresh_reference
from warehouse.renewal import renew

if TYPE_CHECKING:
    from warehouse.load import StandingBatch

_NOTED = ("loaded_batch", "reject", "snapshot_reject", "snapshot")


class Engine(Protocol):
    """An engine. Each method is called by the one writer of the warehouse that `connection` has open."""

    def loaded_batches(self, connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
        """The batches (stem, digest) whose rows are in core."""

    def replace(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts, adding: list[StandingBatch]) -> None:
        """Make core of the batches in `ops.loaded_batch`, of which `adding` are new, in the transaction at hand.

        Temp tables `adding` and `removing` have the batches that come and go, `snapshot_change` the feeds and sources
        of which a snapshot begins or ceases to count.
        """

    def refresh_reference(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
        """Bring the tables of core that follow from others to what these say, outside a transaction."""

    def build(
        self,
        connection: duckdb.DuckDBPyConnection,
        contracts: Contracts,
        policy: Policy,
        as_of: date,
        bill_month: str | None,
    ) -> BuildResult:
        """Make the marts for the end of a day, or what changed of them since they were made for it."""

    def complete(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
        """Make a copy of the warehouse's file hold all of core, as if DuckDB had made it."""


class DuckEngine:
    """The warehouse's own file."""

    def loaded_batches(self, connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
        if connection.execute("select 1 from ops.history_lake limit 1").fetchall():
            forget_core(connection, "ops.history_lake")  # core here is a part of what another engine made
        return set(connection.execute("select stem, digest from ops.loaded_batch").fetchall())

    def replace(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts, adding: list[StandingBatch]) -> None:
        connection.execute("create or replace temp table patched_entity (entity_id varchar)")
        for contract in sorted(contracts.feeds, key=lambda each: each.stateful):  # facts first: history reads them
            files = [batch.rows for batch in adding if batch.feed == contract.feed]
            (replace_records if contract.stateful else replace_facts)(connection, contract, files)

    def refresh_reference(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
        refresh_reference(connection, contracts)

    def build(
        self,
        connection: duckdb.DuckDBPyConnection,
        contracts: Contracts,
        policy: Policy,
        as_of: date,
        bill_month: str | None,
    ) -> BuildResult:
        renewed = renew(connection, contracts, policy, as_of, bill_month)
        return renewed or build_whole(connection, policy, as_of, bill_month)

    def complete(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
        """It does."""


def forget_core(connection: duckdb.DuckDBPyConnection, *also: str) -> None:
    """Let the warehouse know of no batches any more, so that the next load brings all of them; `also`: more tables."""
    tables = connection.execute(
        """
        select distinct 'core.' || table_name from duckdb_columns()
        where database_name = current_database() and schema_name = 'core' and column_name = 'batch_stem'
        """
    ).fetchall()
    connection.execute("begin")
    for name in (*(name for (name,) in tables), *(f"ops.{name}" for name in _NOTED), *also):
        connection.execute(f"delete from {name}")
    connection.execute("update ops.load_state set warehouse_id = cast(uuid() as varchar)")  # states are written anew
    connection.execute("commit")
