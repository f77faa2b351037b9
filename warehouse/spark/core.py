"""staged → core of a lake: parts of the sources and months that changed, by the queries and models that DuckDB runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from pipelines.contracts.model import Contract, Contracts
from warehouse.core_queries import (
    PATCHED_TABLE,
    candidates_of,
    core_model,
    ended_of,
    facts_of,
    periods_of,
    record_of,
    records_of,
)
from warehouse.facts import PATCH_FEED
from warehouse.models import load_reference
from warehouse.reference import plan_titles
from warehouse.spark.lake import SOURCE
from warehouse.spark.parts import PARTED, STAGED, PartsChange
from warehouse.spark.tables import Tables
from warehouse.store import feed_tables

if TYPE_CHECKING:
    from warehouse.load import StandingBatch

PLAN = "core.plan"
_BATCH = ("stem", "digest", "feed", "source", "mode", "cycle", "seq")


class CoreChange(PartsChange):
    """What brings the core of a lake from the batches that it holds to those that it should hold.

    `connection` has the latter in `ops.loaded_batch`, in the transaction at hand; `came` are those among them that the
    lake lacks, `gone` those (stems) that it holds and should not.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        contracts: Contracts,
        tables: Tables,
        came: list[StandingBatch],
        gone: list[str],
    ) -> None:
        super().__init__(connection, tables, came, {stem: tables.manifest.batches[stem] for stem in gone})
        self._contracts = contracts
        self._has_patched = False  # view patched_entity has those whose patches may differ now
        self._snapshots_changed: list[list[str]] = []

    def make(self) -> None:
        """Write the parts that differ and name them in the manifest."""
        self._note_batches()
        self._note_snapshots()
        for name in ("ops.snapshot", "ops.snapshot_reject", "ops.loaded_batch", "core.change_type"):
            self._tables.name_small(self._connection, name)
        for contract in sorted(self._contracts.feeds, key=lambda each: each.stateful):
            columns = feed_tables(contract)
            for table in columns:
                self._tables.name_lake_table(f"core.{table}", columns[table])
            if contract.stateful:
                self._replace_records(contract)
            else:
                self._replace_facts(contract)
        self._refresh_plans()

    def _note_batches(self) -> None:
        columns = ("stem", "source", "cycle", "seq", "mode", "cycle_end")
        came = pl.DataFrame(
            [[getattr(batch, name) for name in columns] for batch in self._came],
            schema=dict.fromkeys(columns, pl.String) | {"cycle_end": pl.Datetime("us")},
            orient="row",
        )
        self._tables.name_frame("adding", came)
        self._tables.name_frame("gone", pl.DataFrame({"stem": list(self._gone)}, schema={"stem": pl.String}))
        batches = self._tables.manifest.batches
        for stem in self._gone:
            del batches[stem]
        batches |= {b.stem: [getattr(b, name) for name in _BATCH[1:]] for b in self._came}

    def _note_snapshots(self) -> None:
        snapshots = snapshots_of(self._connection)
        before = self._tables.manifest.snapshots
        self._snapshots_changed = [each for each in snapshots + before if (each in snapshots) != (each in before)]
        self._tables.manifest.snapshots = snapshots

    def _replace_facts(self, contract: Contract) -> None:
        changed = self._changed_parts(contract)
        if not changed:
            return
        table, key = f"core.{contract.table}", ", ".join(contract.key)
        columns = feed_tables(contract)[contract.table]
        came = facts_of(self._name_staged(contract, columns), STAGED)
        if table not in self._tables.manifest.tables:
            self._tables.name_query("candidate", candidates_of(contract, f"({came})"))
            standing = ", ".join(name for name in columns if name != "is_current")
            newest = f"select {standing}, is_newest as is_current, {PARTED} from ({core_model('newest')})"
            self._exchange(table, self._tables.query(newest), changed)
            self._note_patched(contract, f"select user_id as entity_id from {STAGED}")
            return
        going = f"select * from {table} where batch_stem in (select stem from gone)"
        self._tables.name_kept("contested", f"select {key} from ({going}) union select {key} from {STAGED}")
        changed |= self._parts_with(table, f"semi join contested using ({key})")
        self._name_kept_rows(table, columns, changed)
        listed = ", ".join(columns)
        every = (
            f"select {listed} from rows_kept where batch_stem not in (select stem from gone) "
            f"union all select {listed} from ({came})"
        )
        self._tables.name_query("every_row", every)
        self._tables.name_query("candidate", candidates_of(contract, f"every_row semi join contested using ({key})"))
        standing = ", ".join(name for name in columns if name != "is_current")
        following = self._tables.query(
            f"select {standing}, is_newest as is_current, {PARTED} from ({core_model('newest')}) "
            f"union all select {standing}, is_current, {PARTED} from every_row anti join contested using ({key})"
        )
        self._exchange(table, following, changed)
        users = f"select user_id as entity_id from every_row semi join contested using ({key})"
        self._note_patched(contract, f"{users} union all select user_id as entity_id from ({going})")

    def _note_patched(self, contract: Contract, users: str) -> None:
        if contract.feed == PATCH_FEED:
            self._tables.name_kept("patched_entity", f"select distinct entity_id from ({users})")
            self._has_patched = True
            self._tables.name_lake_table(f"core.{contract.table}", feed_tables(contract)[contract.table])

    def _replace_records(self, contract: Contract) -> None:
        changed = self._changed_parts(contract)
        table, records = f"core.{contract.table}", f"core.{contract.table}_record"
        columns = feed_tables(contract)
        key = contract.entity_key
        touched = [
            f"select {key} as entity_id from {records} where batch_stem in (select stem from gone)",
            f"select {key} as entity_id from {STAGED}",
        ]
        listed = self._name_staged(contract, columns[f"{contract.table}_record"])
        if changed:
            self._tables.name_kept("touched_directly", " union all ".join(touched))
            self._exchange_records(contract, records_of(listed, STAGED), changed)
            self._tables.name_lake_table(records, columns[f"{contract.table}_record"])
        which = self._whose_snapshots_changed(contract)
        is_patched = contract.table == PATCHED_TABLE and self._has_patched
        if not changed and not which and not is_patched:
            return
        parts = ["select entity_id from touched_directly"] if changed else []
        if which:
            sources = ", ".join(f"'{source}'" for source in sorted(which))
            parts.append(f"select {key} as entity_id from {records} where source in ({sources})")
        if is_patched:
            parts.append("select entity_id from patched_entity")
        self._tables.name_kept("touched", f"select distinct entity_id from ({' union all '.join(parts)})")
        self._rework_periods(contract, table, records, columns[contract.table])

    def _exchange_records(self, contract: Contract, came: str, changed: set[str]) -> None:
        records = f"core.{contract.table}_record"
        columns = feed_tables(contract)[f"{contract.table}_record"]
        listed = ", ".join(columns)
        self._name_kept_rows(records, columns, changed)
        rows = self._tables.query(
            f"select {listed}, {PARTED} from ("
            f"select {listed} from rows_kept where batch_stem not in (select stem from gone) "
            f"union all select {listed} from ({came}))"
        )
        self._exchange(records, rows, changed)

    def _rework_periods(self, contract: Contract, table: str, records: str, columns: Mapping[str, str]) -> None:
        self._tables.name_query("record", record_of(contract, records))
        self._tables.name_query("absence", core_model("absence"), {"feed": contract.feed})
        if contract.table == PATCHED_TABLE:
            self._tables.name_query("patch", core_model("patch"))
        listed = ", ".join(columns)
        made = f"select {listed}, source as {SOURCE} from ({periods_of(contract, records)})"
        self._tables.name_kept("periods_made", made)
        self._count_ended(contract)
        entity = contract.entity_key
        changed = self._parts_with(
            table, f"semi join touched on touched.entity_id = {entity}", by=f"source as {SOURCE}"
        )
        changed |= {f"{SOURCE}={source}" for (source,) in self._rows(f"select distinct {SOURCE} from periods_made")}
        self._name_kept_rows(table, columns, changed)
        kept = f"select {listed}, source as {SOURCE} from rows_kept anti join touched on touched.entity_id = {entity}"
        rows = self._tables.query(f"{kept} union all select {listed}, {SOURCE} from periods_made")
        self._exchange(table, rows, changed, by=(SOURCE,))

    def _count_ended(self, contract: Contract) -> None:
        """Into temp table `ended`, as DuckDB's engine does: whom snapshots of this load ended."""
        if self._whose_snapshots_changed(contract):
            for row in self._rows(ended_of(contract, "periods_made", f"core.{contract.table}")):
                self._connection.execute("insert into ended values ($1, $2, $3, $4)", list(row))

    def _whose_snapshots_changed(self, contract: Contract) -> set[str]:
        """Sources where a snapshot came, went, or began or ceased to count: it can end periods of all its entities."""
        found = {batch.source for batch in self._came if batch.feed == contract.feed and batch.mode == "F"}
        found |= {
            source for _, feed, source, mode, _, _ in self._gone.values() if feed == contract.feed and mode == "F"
        }
        return found | {source for feed, source, *_ in self._snapshots_changed if feed == contract.feed}

    def _refresh_plans(self) -> None:
        self._tables.name_frame("plan_title", plan_titles(self._contracts))
        for contract in self._contracts.feeds:
            for name, columns in feed_tables(contract).items():
                self._tables.name_lake_table(f"core.{name}", columns)
        plans = self._tables.query(load_reference(PLAN).sql).coalesce(1)
        manifest = self._tables.manifest
        manifest.tables[PLAN] = self._tables.lake.write(manifest, PLAN, plans, ())


def snapshots_of(connection: duckdb.DuckDBPyConnection) -> list[list[str]]:
    """Snapshots whose absences count, as a manifest notes them: feed, source, cycle, end."""
    rows = connection.execute("select feed, source, cycle, cast(ends_at as varchar) from ops.snapshot order by all")
    return [list(row) for row in rows.fetchall()]
