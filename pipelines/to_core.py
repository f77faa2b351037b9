"""staged → core, read from the ledger: what core is to hold, of which it lacks the rows, and whose ledger that is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
from sqlalchemy import Connection

from pipelines.completeness import CycleState, CycleStatus, Within, cycle_statuses
from pipelines.contracts.model import Mode
from pipelines.cycles import parse_cycle
from pipelines.errors import OtherLedgerError
from pipelines.faults import fault_point
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Move, Offering, State
from pipelines.ledger.standing import StandingStem, never_stood, standing_stems
from pipelines.ledger.tables import offering
from pipelines.quality.loading import load_ahead
from pipelines.site import Site, cycle_day
from warehouse.engines import DuckEngine, Engine, noted_batches
from warehouse.load import LoadResult, Snapshot, StandingBatch
from warehouse.load import load as load_core

_IDS_AT_ONCE = 10_000  # databases bound the parameters of a statement


@dataclass(frozen=True)
class Due:
    """What core is to hold: batches that stand, those of them that it has (stem, revision), and the others."""

    standing: list[StandingStem]
    kept: frozenset[tuple[str, str]]
    found: list[Offering]
    batches: list[StandingBatch]
    snapshots: list[Snapshot]


def due_for_core(site: Site, warehouse: duckdb.DuckDBPyConnection) -> Due:
    """What the ledger says of core now; the staged rows that it lacks are here then.

    Raises OtherLedgerError as `require_its_ledger` does, and StoreError for an object store that does not answer.
    """
    present = engine_of(site).loaded_batches(warehouse)
    with site.ledger.reading() as connection:
        standing = standing_stems(connection)
        require_its_ledger(site, connection, warehouse, {each.stem for each in standing})
        kept = frozenset((each.stem, each.revision) for each in standing) & present
        fresh = [each.offering_id for each in standing if (each.stem, each.revision) not in kept]
        found = list(_found(connection, fresh))
        # In one transaction: a snapshot must not count as complete while a file of it is not among these.
        full = cycle_statuses(connection, site.config, site.contracts, site.now, Within(full_only=True))
    batches = [standing_batch(site, each) for each in found]
    site.objects.bring(path for each in batches for path in (each.rows, each.rejects))
    return Due(standing, kept, found, batches, complete_snapshots(site, full))


def load_due(site: Site, warehouse: duckdb.DuckDBPyConnection, due: Due) -> LoadResult:
    """Make core hold that and no more, then the ledger say so."""
    if due.found:
        load_ahead()  # cycles will be judged as a whole; loads and builds hide what that needs to begin with
    result = load_core(warehouse, site.contracts, due.batches, due.snapshots, due.kept, engine_of(site))
    fault_point("commit")
    _note_loaded(site, {(each.offering_id, each.staged_count) for each in due.standing if each.state is State.STAGED})
    return result


def require_its_ledger(
    site: Site, connection: Connection, warehouse: duckdb.DuckDBPyConnection, standing: set[str]
) -> None:
    """Raises OtherLedgerError where core holds batches that this ledger never let stand: it is new, another, or older.

    By its word core would be emptied of them, and that published.
    """
    held = {stem for stem, _ in noted_batches(warehouse)}
    if unknown := never_stood(connection, held - standing):
        first = ", ".join(unknown[:3]) + (", …" if len(unknown) > 3 else "")
        raise OtherLedgerError(
            f"{site.home.warehouse}: expected batches that {site.ledger.where} let stand, found {len(unknown)} that it "
            f"never did: {first}; nothing was taken out. Put the newest copy of the ledger back; where it is lost, let "
            "these be offered again: docs/engineers/deployment.md, 'A ledger that is lost'"
        )


def _found(connection: Connection, offering_ids: list[int]) -> Iterator[Offering]:
    for start in range(0, len(offering_ids), _IDS_AT_ONCE):
        yield from offerings.find(connection, offering.c.offering_id.in_(offering_ids[start : start + _IDS_AT_ONCE]))


def _note_loaded(site: Site, loaded: set[tuple[int, int]]) -> None:
    change = site.change("its rows are in core")
    with site.ledger.transaction() as connection:
        offerings.move_all(
            connection,
            [
                Move(each.offering_id, State.LOADED, change, {})
                for each in offerings.find(connection, offering.c.state == State.STAGED)
                if (each.offering_id, each.staged_count) in loaded
            ],
        )


def engine_of(site: Site) -> Engine:
    """What makes core and marts here."""
    if site.config.spark is None:
        return DuckEngine()
    from warehouse.spark.engine import SparkEngine  # an extra, and slow to begin with

    return SparkEngine(site.config.spark)


def standing_batch(site: Site, current: Offering) -> StandingBatch:
    """What the warehouse needs to know of a batch that stands."""
    cycle = parse_cycle(site.contracts[current.feed].schedule.cadence, current.cycle)
    assert cycle is not None, "a batch that stands has a sound cycle"
    assert current.digest is not None, "a batch that stands was verified"
    paths = site.staged_paths(current.name, cycle_day(site, current))
    revision = f"{current.digest}#{current.staged_count}"  # as StandingStem's
    return StandingBatch(
        current.stem, revision, current.feed, current.source, current.mode, current.cycle, current.seq, cycle.end,
        paths.rows, paths.rejects,
    )  # fmt: skip


def complete_snapshots(site: Site, found_cycles: list[CycleStatus]) -> list[Snapshot]:
    """Complete full snapshots of stateful feeds: their absences end periods."""
    found = []
    for status in found_cycles:
        contract = site.contracts[status.key.feed]
        cycle = parse_cycle(contract.schedule.cadence, status.key.cycle)
        is_complete = status.state is CycleState.COMPLETE and status.is_whole
        is_snapshot = contract.stateful and status.key.mode == Mode.FULL and is_complete
        if is_snapshot and cycle is not None:
            found.append(Snapshot(status.key.feed, status.key.source, status.key.cycle, cycle.end))
    return found
