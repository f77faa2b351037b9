"""The present warehouse at one moment, with what the ledger says then: what a rebuilt one is compared with.

It is copied under the writer's lock and used as a copy, so that loads go on meanwhile and nothing of it is changed.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipelines.completeness import CycleStatus, cycle_statuses
from pipelines.errors import OtherLedgerError, StoreError
from pipelines.fetching import NEEDED_BYTES
from pipelines.ledger import offerings
from pipelines.ledger.leading import Leading, leading
from pipelines.ledger.offerings import STANDING, Offering
from pipelines.ledger.publications import Publication, publications
from pipelines.ledger.tables import offering
from pipelines.site import WRITER, Site, cycle_day, require_free_space
from pipelines.to_core import complete_snapshots, engine_of, require_its_ledger, standing_batch
from warehouse.build import LastBuilt, last_built
from warehouse.damage import read_whole
from warehouse.load import StandingBatch, load
from warehouse.statements import literal
from warehouse.store import FILE_NAME, open_warehouse

_WAL = f"{FILE_NAME}.wal"
_LOCKED = "IO Error: Could not set lock on file"  # as DuckDB says it


@dataclass(frozen=True)
class Moment:
    """What the ledger said while the present warehouse was copied."""

    standing: list[Offering]
    leading: list[Leading]
    cycles: list[CycleStatus]
    published: list[Publication]
    why_not: str  # it could not be copied; empty where it was, or where there is none


@dataclass(frozen=True)
class Present:
    """The copy of the present warehouse: what was built in it last, and why it cannot be used, if so."""

    built: LastBuilt | None
    why_not: str


def require_room(site: Site, into: Path) -> None:
    """For staged rows, the new warehouse, and the copy of the present one; what it cannot know it takes as twice."""
    with site.ledger.reading() as connection:
        found = offerings.find(connection, offering.c.state.in_(STANDING))
    staged = sum(_staged_bytes(site, each) for each in found)
    present = site.home.warehouse / FILE_NAME
    held = present.stat().st_size if present.exists() else staged
    require_free_space(into, NEEDED_BYTES + staged + 2 * held)


def _staged_bytes(site: Site, current: Offering) -> int:
    try:
        return site.staged_paths(current.name, cycle_day(site, current)).rows.stat().st_size
    except FileNotFoundError:
        return 2 * (current.bytes or 0)


def look(site: Site, directory: Path) -> Moment:
    """One state of the ledger, and a copy of the warehouse of that moment: no load comes between the two.

    Raises StoreError where a program that is none of ours is writing the warehouse.
    """
    with site.ledger.reading() as connection:
        with site.lock(WRITER, wait=True):
            standing = offerings.find(connection, offering.c.state.in_(STANDING))
            why_not = _copy_present(site, directory)
            if not why_not and site.config.spark:
                why_not = _complete(site, directory)
        batches = leading(connection)
        cycles = cycle_statuses(connection, site.config, site.contracts, site.now)
        published = [each for each in publications(connection) if each.state == "published"]
    return Moment(standing, batches, cycles, published, why_not)


def _copy_present(site: Site, directory: Path) -> str:
    """With its log of what is not in the file yet, where a process was killed; returns why it could not be read."""
    _require_no_writer(site.home.warehouse / FILE_NAME)
    try:
        for name in (FILE_NAME, _WAL):
            if (site.home.warehouse / name).exists():
                shutil.copyfile(site.home.warehouse / name, directory / name)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return ""


def _complete(site: Site, directory: Path) -> str:
    """Bring what the warehouse's file leaves to the lake into the copy; returns why it could not be."""
    if not (directory / FILE_NAME).exists():
        return ""
    try:
        with open_warehouse(directory, site.contracts, site.config.memory_mb) as copy:
            engine_of(site).complete(copy, site.contracts)
    except (StoreError, duckdb.Error) as error:
        return _unusable(error)
    return ""


def _unusable(error: Exception) -> str:
    """What DuckDB says, not what one would be advised of the present warehouse: that is under way."""
    said = error.__cause__ if isinstance(error.__cause__, duckdb.Error) else error
    return f"the present warehouse cannot be used: {str(said).splitlines()[0]}"


def _require_no_writer(path: Path) -> None:
    """Of a file that is being written a copy would be torn, and look as if it were damaged."""
    if not path.exists():
        return
    with duckdb.connect() as connection:
        try:
            connection.execute(f"attach {literal(path)} as present (read_only)")
        except duckdb.Error as error:
            if str(error).startswith(_LOCKED):  # any other message may hold the word in its path
                raise StoreError(f"{path}: {str(error).splitlines()[0]}; end that process and run it again") from error


def open_present(site: Site, directory: Path, moment: Moment) -> Present:
    """Whether the copy can be compared with, once what waits for the next load is in it as well: it is read whole.

    Raises OtherLedgerError where it is of a newer ledger, or another: without the batches that this one does not know
    it would be made equal to what they are missing in.
    """
    if moment.why_not:
        return Present(None, moment.why_not)
    if not (directory / FILE_NAME).exists():
        return Present(None, f"there is no {FILE_NAME} in warehouse/")
    batches = [standing_batch(site, each) for each in moment.standing]
    try:
        with open_warehouse(directory, site.contracts, site.config.memory_mb) as copy:
            with site.ledger.reading() as connection:
                require_its_ledger(site, connection, copy, {each.stem for each in moment.standing})
            _load_waiting(site, copy, batches, moment)
            read_whole(copy)
            return Present(last_built(copy), "")
    except OtherLedgerError:
        raise
    except (StoreError, duckdb.Error) as error:
        return Present(None, _unusable(error))


def _load_waiting(site: Site, copy: duckdb.DuckDBPyConnection, batches: list[StandingBatch], moment: Moment) -> None:
    """As the next load would; whose staged rows are lost is left out, and the comparison tells."""
    present = set(copy.execute("select stem, digest from ops.loaded_batch").fetchall())
    kept = frozenset((each.stem, each.digest) for each in batches) & present
    waiting = [each for each in batches if (each.stem, each.digest) not in kept]
    site.objects.bring(path for each in waiting for path in (each.rows, each.rejects))
    there = [each for each in waiting if each.rows.exists() and each.rejects.exists()]
    load(copy, site.contracts, there, complete_snapshots(site, moment.cycles), kept)
