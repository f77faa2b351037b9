"""Spark as the engine of core and marts; the warehouse's file gets what is published and what loads ask for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date

import duckdb

from pipelines.config_engine import SparkConfig
from pipelines.contracts.model import Contracts
from pipelines.errors import UsageError
from pipelines.faults import fault_point
from pipelines.policy import Policy
from warehouse.build import (
    BuildResult,
    Built,
    BuiltModel,
    begin_build,
    bill_months_of,
    building,
    comment_built,
    known_sources,
    made_by,
    note_built,
    require_month,
)
from warehouse.comments import comment_on
from warehouse.engines import is_of_lake, noted_batches
from warehouse.load import StandingBatch
from warehouse.models import Model, load_models, load_reference
from warehouse.spark.core import PLAN, CoreChange, snapshots_of
from warehouse.spark.lake import Lake, Manifest, months_of
from warehouse.spark.marts import given_tables, make_marts
from warehouse.spark.session import open_session, spark_failures_told
from warehouse.spark.tables import Tables
from warehouse.statements import literal
from warehouse.store import feed_tables


class SparkEngine:
    """Core and marts in a lake, made by Spark.

    The warehouse's file takes over histories, plans, facts of the newest months, and the marts with their lists.
    """

    def __init__(self, config: SparkConfig) -> None:
        self._config = config
        self._directory = config.lake

    def loaded_batches(self, connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
        """Those that both the lake and the warehouse's file hold.

        None where the lake lacks any, or the file was filled without a lake: it is filled anew.
        """
        noted = noted_batches(connection)
        return noted if is_of_lake(connection) and noted <= _held(Lake(self._directory)) else set()

    def differs(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """As where a load was killed between lake and file; or the lake was lost, or DuckDB filled the file."""
        lake, noted = Lake(self._directory), noted_batches(connection)
        is_foreign = bool(noted) and not is_of_lake(connection)
        return is_foreign or noted != _held(lake) or snapshots_of(connection) != lake.now.snapshots

    def replace(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts, adding: list[StandingBatch]) -> None:
        """The lake first, then the file: what breaks off between them, the next load takes over from the lake."""
        lake = Lake(self._directory)
        wanted = dict(connection.execute("select stem, digest from ops.loaded_batch").fetchall())
        gone = [stem for stem, (digest, *_) in lake.now.batches.items() if wanted.get(stem) != digest]
        lacking = {stem for stem in wanted if stem not in lake.now.batches or stem in gone}
        came = [batch for batch in adding if batch.stem in lacking]
        if came or gone or snapshots_of(connection) != lake.now.snapshots:
            following = lake.begin()
            tables = Tables(open_session(self._config, lake.scratch), lake, following)
            with spark_failures_told():
                CoreChange(connection, contracts, tables, came, gone).make()
            lake.commit(following)
        self._take_core(connection, contracts, lake)

    def refresh_plans(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
        """Nothing is left to do: plans come from the lake with the rest."""

    def build(
        self,
        connection: duckdb.DuckDBPyConnection,
        contracts: Contracts,
        policy: Policy,
        as_of: date,
        bill_month: str | None,
    ) -> BuildResult:
        """All marts, unless nothing that they rest on differs from what those at hand were made of."""
        require_month(bill_month)
        lake = Lake(self._directory)
        if not lake.now.tables:
            raise UsageError(f"{self._directory}: expected a lake with core, found none; run 'tierline load' first")
        if self.differs(connection):
            raise UsageError(
                f"{self._directory}: expected a lake with the batches of the warehouse's file, found others; "
                "run 'tierline load' first"
            )
        models = load_models()
        with building(connection):
            sources = known_sources(connection)
            begin_build(connection, policy, sources)
            seconds: dict[str, float] = {}
            built = Built(as_of, bill_month, made_by(connection, policy, sources))
            print_ = self._print(connection, built, lake, given_tables(models, contracts))
            if lake.now.built == print_ and self._is_taken(connection, lake):
                return BuildResult(as_of, bill_months_of(connection), (), renewed=0)
            if lake.now.built != print_:
                following = lake.begin()
                tables = Tables(open_session(self._config, lake.scratch), lake, following)
                seconds = make_marts(connection, tables, models, contracts, {"as_of": as_of, "bill_month": bill_month})
                following.built = print_
                lake.commit(following)
            made = tuple(self._take(connection, lake, model, seconds) for model in models if not model.is_step)
            note_built(connection, built, is_whole=True)
            comment_built(connection, models)
            connection.execute("update ops.load_state set warehouse_id = cast(uuid() as varchar)")
            fault_point("build")
        return BuildResult(as_of, bill_months_of(connection), made)

    def _take(
        self, connection: duckdb.DuckDBPyConnection, lake: Lake, model: Model, seconds: dict[str, float]
    ) -> BuiltModel:
        """Take over one mart; returns what there is to say of it."""
        rows = _rows(lake, lake.now.tables[model.name].values())
        ((count,),) = connection.execute(f"create or replace table {model.name} as {rows}").fetchall()
        self._note(connection, model.name, _print_of(lake, lake.now.tables[model.name].values()))
        return BuiltModel(model.name, count, seconds.get(model.name, 0.0))

    def complete(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
        """All rows of the lake."""
        lake = Lake(self._directory)
        for contract in contracts.feeds:
            for table in feed_tables(contract):
                parts = lake.now.tables.get(f"core.{table}", {})
                self._take_rows(connection, f"core.{table}", _rows(lake, parts.values()) if parts else "")
        connection.execute("delete from ops.history_lake")

    def _take_core(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts, lake: Lake) -> None:
        """What is published, and what cycles are judged by: histories and plans whole, facts of the newest months.

        Of records only their keys: whether a row of another feed has an owner is asked of these.
        """
        whole = {PLAN: "*"}
        for contract in contracts.feeds:
            if contract.stateful:
                whole |= {
                    f"core.{contract.table}": "*",
                    f"core.{contract.table}_record": f"distinct {contract.entity_key}",
                }
        facts = {f"core.{contract.table}": "*" for contract in contracts.feeds if not contract.stateful}
        taken = dict(connection.execute("from ops.history_lake").fetchall())
        for table, columns in (whole | facts).items():
            parts = lake.now.tables.get(table, {})
            places = months_of(parts, self._config.recent_months) if table in facts else sorted(parts.values())
            if taken.get(table) != _print_of(lake, places):
                self._take_rows(connection, table, f"select {columns} {_rows(lake, places)}" if places else "")
                self._note(connection, table, _print_of(lake, places))
        connection.execute("update ops.load_state set warehouse_id = cast(uuid() as varchar)")

    def _take_rows(self, connection: duckdb.DuckDBPyConnection, table: str, rows: str) -> None:
        if table == PLAN:
            connection.execute(f"create or replace table {PLAN} as {rows} order by all")
            comment_on(connection, load_reference(PLAN))
            return
        connection.execute(f"delete from {table}")
        if rows:
            connection.execute(f"insert into {table} by name {rows}")

    def _print(self, connection: duckdb.DuckDBPyConnection, built: Built, lake: Lake, given: list[str]) -> str:
        digest = hashlib.sha256(repr((vars(built), lake.now.lake_id, _core_parts(lake.now))).encode())
        for table in given:
            print_ = connection.execute(f"select count(*), bit_xor(hash(each)) from {table} as each").fetchall()
            digest.update(repr((table, print_)).encode())
        return digest.hexdigest()

    def _is_taken(self, connection: duckdb.DuckDBPyConnection, lake: Lake) -> bool:
        taken = dict(connection.execute("from ops.history_lake").fetchall())
        return all(
            taken.get(name) == _print_of(lake, parts.values())
            for name, parts in lake.now.tables.items()
            if not name.startswith("core.")
        )

    def _note(self, connection: duckdb.DuckDBPyConnection, table: str, print_: str) -> None:
        connection.execute("delete from ops.history_lake where table_name = $table", {"table": table})
        connection.execute("insert into ops.history_lake values ($table, $print)", {"table": table, "print": print_})


def _held(lake: Lake) -> set[tuple[str, str]]:
    return {(stem, digest) for stem, (digest, *_) in lake.now.batches.items()}


def _core_parts(manifest: Manifest) -> list[tuple[str, list[str]]]:
    return sorted((name, sorted(parts.values())) for name, parts in manifest.tables.items() if name.startswith("core."))


def _print_of(lake: Lake, parts: Iterable[str]) -> str:
    return hashlib.sha256(repr((lake.now.lake_id, sorted(parts))).encode()).hexdigest()


def _rows(lake: Lake, parts: Iterable[str]) -> str:
    files = ", ".join(literal(path) for path in lake.files(parts))
    return f"from read_parquet([{files}], hive_partitioning = false, union_by_name = true)"
