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
from warehouse.reference import refresh_plans
from warehouse.renewal import renew

if TYPE_CHECKING:
    from warehouse.load import StandingBatch

_NOTED = ("loaded_batch", "reject", "snapshot_reject", "snapshot", "history_lake")


class Engine(Protocol):
    """An engine. Each method is called by the one writer of the warehouse that `connection` has open."""

    def loaded_batches(self, connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
        """The batches (stem, digest) whose rows are in core; none where core is to be made anew. Changes nothing."""

    def differs(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Whether core, wherever the engine has it, is of others than `ops.loaded_batch` and `ops.snapshot` say."""

    def replace(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts, adding: list[StandingBatch]) -> None:
        """Make core of the batches in `ops.loaded_batch`, of which `adding` are new, in the transaction at hand.

        Temp tables `adding` and `removing` have the batches that come and go, `snapshot_change` the feeds and sources
        of which a snapshot begins or ceases to count.
        """

    def refresh_plans(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
        """Bring the plans that core met to what its other tables say, outside a transaction."""

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
        return set() if self.differs(connection) else noted_batches(connection)

    def differs(self, connection: duckdb.DuckDBPyConnection) -> bool:
        return is_of_lake(connection)  # core here is a part of what another engine made

    def replace(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts, adding: list[StandingBatch]) -> None:
        connection.execute("create or replace temp table patched_entity (entity_id varchar)")
        for contract in sorted(contracts.feeds, key=lambda each: each.stateful):  # facts first: history reads them
            files = [batch.rows for batch in adding if batch.feed == contract.feed]
            (replace_records if contract.stateful else replace_facts)(connection, contract, files)

    def refresh_plans(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
        refresh_plans(connection, contracts)

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


def noted_batches(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """The batches (stem, digest) that the warehouse's file says core is of."""
    return set(connection.execute("select stem, digest from ops.loaded_batch").fetchall())


def is_of_lake(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether core in the warehouse's file was taken over from a lake, and perhaps a part of it alone."""
    return bool(connection.execute("select 1 from ops.history_lake limit 1").fetchall())


def forget_core(connection: duckdb.DuckDBPyConnection) -> None:
    """Empty core in the transaction at hand and let the file know of no batches, for a load that brings all of them."""
    tables = connection.execute(
        """
        select distinct 'core.' || table_name from duckdb_columns()
        where database_name = current_database() and schema_name = 'core' and column_name = 'batch_stem'
        """
    ).fetchall()
    for name in (*(name for (name,) in tables), *(f"ops.{name}" for name in _NOTED)):
        connection.execute(f"delete from {name}")
    connection.execute("update ops.load_state set warehouse_id = cast(uuid() as varchar)")  # states are written anew
