"""archive → a warehouse of its own, and whether it equals the present one (file interface, section 9).

The present warehouse is copied under the writer's lock, at one moment with what the ledger says; all else is done with
the copy, so that loads go on meanwhile.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb

from pipelines.errors import StoreError, UsageError
from pipelines.names import parse_stem
from pipelines.present_copy import Moment, Present, look, open_present, require_room
from pipelines.published_lists import recall_lists
from pipelines.restaging import Failure, Restaged, restage
from pipelines.site import Home, Site
from pipelines.to_core import complete_snapshots, standing_batch
from warehouse.build import build, make_given
from warehouse.comparing import Comparison, compare
from warehouse.load import load
from warehouse.models import GIVEN
from warehouse.ops import refresh_ops
from warehouse.statements import literal
from warehouse.store import FILE_NAME, open_warehouse

BROKEN_OFF = "REBUILDING"  # stands in the directory while a rebuild is at work
_PRESENT = "present"
_AS_OF_LAST_BUILD = ("batch", "cycle", "publication")  # tables of ops that tell what the ledger said then

Progress = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


@dataclass(frozen=True)
class Rebuilt:
    """A warehouse made anew. `comparison` is None where there was nothing to compare with, and `why_not` says why.

    `marts`: the as-of date of what was built, None where nothing was; `marts_stale`: the present ones were built
    before the last load, so that they were not compared.
    """

    batches: int
    unproven: tuple[str, ...]
    failed: tuple[Failure, ...]
    marts: date | None
    marts_stale: bool
    comparison: Comparison | None
    why_not: str

    @property
    def is_sound(self) -> bool:
        """All came from the archive or was pruned on purpose, and nothing differs."""
        return not self.failed and (self.comparison is None or not self.comparison.differences)


def _silent(what: str) -> AbstractContextManager[Callable[[int, int], None]]:
    return nullcontext(lambda done, total: None)


def rebuild(site: Site, into: Path, progress: Progress = _silent) -> Rebuilt:
    """Make a warehouse from the archive in `into`/warehouse, its staged rows in `into`/staged, and compare.

    Nothing of the home is changed. `progress` says what is under way. Raises UsageError where `into` is neither new nor
    empty, StoreError where there is no room, and where the present warehouse is not this ledger's.
    """
    site.config.workers.require_warehouse("rebuild")
    _claim(into)
    try:
        require_room(site, into)
        return _rebuild(site, replace(site, home=Home(into.resolve())), progress)
    except (OSError, duckdb.Error) as error:
        _clear(into)
        raise StoreError(
            f"{into}: {' '.join(str(error).split())}; check rights and free space, then run it again: it begins anew, "
            "and left nothing there"
        ) from error
    except BaseException:
        _clear(into)
        raise


def _rebuild(site: Site, place: Site, progress: Progress) -> Rebuilt:
    copy = place.home.root / _PRESENT
    moment = look(site, copy)
    present = open_present(site, copy, moment)
    with progress("rebuild: judging batches") as tell:
        restaged = restage(site, moment.standing, place.home.root, tell)
    with progress("rebuild: loading and building"):
        as_of = _make(site, place, moment, present, restaged)
    comparison = None
    if not present.why_not:
        with progress("rebuild: comparing tables") as tell:
            paths = (copy / FILE_NAME, place.home.warehouse / FILE_NAME)
            comparison = compare(*paths, site.contracts, with_built=_is_current(present), tell=tell)
    shutil.rmtree(copy)
    (place.home.root / BROKEN_OFF).unlink()
    return Rebuilt(
        len(restaged.proven),
        tuple(each.stem for each in restaged.unproven),
        tuple(restaged.failed),
        as_of,
        present.built is not None and not present.built.is_current,
        comparison,
        present.why_not,
    )


def _is_current(present: Present) -> bool:
    return present.built is not None and present.built.is_current


def _claim(into: Path) -> None:
    """Take a directory for this rebuild alone."""
    if (into / BROKEN_OFF).exists():
        raise UsageError(
            f"--into {into}: expected a new or empty directory, found a rebuild that is at work or broke off; where "
            "none is at work, delete the directory and run it again"
        )
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UsageError(f"--into {into}: expected a new or empty directory, found {_what(into)}; name another one")
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    (into / BROKEN_OFF).touch(exist_ok=False)
    for name in ("staged", "warehouse", _PRESENT):
        (into / name).mkdir(mode=0o700)


def _clear(into: Path) -> None:
    """Leave the directory as empty as it was; what a kill leaves, `_claim` tells of."""
    for entry in into.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _what(into: Path) -> str:
    return "files in it" if into.is_dir() else "a file"


def _make(site: Site, place: Site, moment: Moment, present: Present, restaged: Restaged) -> date | None:
    """staged → mart in the new warehouse; returns the as-of date of what was built."""
    lost = {name.cycle_key for each in restaged.failed if (name := parse_stem(each.stem)) is not None}
    # A snapshot that is not whole ends nothing: what its lost file holds would count as absent.
    whole = [each for each in moment.cycles if each.key not in lost]
    batches = [
        replace(standing_batch(place, each), rows=found.rows, rejects=found.rejects)
        for each in moment.standing
        if (found := restaged.places.get(each.offering_id)) is not None
    ]
    with open_warehouse(place.home.warehouse, site.contracts, site.config.memory_mb) as warehouse:
        load(warehouse, site.contracts, batches, complete_snapshots(site, whole))
        if present.why_not:
            refresh_ops(warehouse, moment.leading, moment.cycles, ())  # who was sent what follows from no file
            recall_lists(site.home.publish, warehouse, moment.published)
        else:
            _carry_over(warehouse, place.home.root / _PRESENT / FILE_NAME, present)
        as_of, bill_month = _to_build(moment, present)
        if as_of is not None:
            build(warehouse, site.policy, as_of, bill_month)
    return as_of


def _to_build(moment: Moment, present: Present) -> tuple[date | None, str | None]:
    """As what is built in the present warehouse; where that is lost, as what was published last."""
    if present.built is not None:
        return present.built.as_of, present.built.bill_month
    if present.why_not and moment.published:
        return date.fromisoformat(moment.published[-1].as_of_date), None
    return None, None


def _carry_over(warehouse: duckdb.DuckDBPyConnection, path: Path, present: Present) -> None:
    """What no file tells: the ledger as of the last build, which marts rest on, and the lists published before."""
    warehouse.execute(f"attach {literal(path)} as present (read_only)")
    for table in _AS_OF_LAST_BUILD:
        # Which load a publication came after counts the loads of that warehouse.
        kept = "columns(lambda name: name <> 'load_no')"
        warehouse.execute(f"insert into ops.{table} by name select {kept} from present.ops.{table}")
    make_given(warehouse)
    there = warehouse.execute(
        "select 'list.' || table_name from duckdb_tables() where database_name = 'present' and schema_name = 'list'"
    ).fetchall()
    for table in GIVEN:
        if (table,) in there:  # of a warehouse in which nothing was built yet, or by an older release, there is none
            warehouse.execute(f"insert into {table} by name from present.{table}")
    warehouse.execute("detach present")
