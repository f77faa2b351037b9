"""mart → published: one state for readers and the lists made from it, under one publication_id, all or nothing.

Everything is written under temporary names first; then the ledger notes the publication as prepared; then names are
given: the state, then the lists, each list's end file last. A run that finds a prepared publication finishes it first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from pipelines.durable import sync_all, sync_directories
from pipelines.errors import HeldError, UsageError
from pipelines.faults import fault_point
from pipelines.fetching import NEEDED_BYTES
from pipelines.ledger.publications import Publication, last_publication, mark_published, prepare, publications
from pipelines.ledger.quality import holding
from pipelines.list_files import release_list
from pipelines.preparing import prepare_lists
from pipelines.quality.running import judge_closed
from pipelines.site import WRITER, Site, require_free_space
from pipelines.steps import build_in
from warehouse.build import known_sources, last_built, made_by
from warehouse.changes import forget_changes
from warehouse.publish import write_state
from warehouse.states import CURRENT, greatest_number, show_state, shown_state, state_is_sound
from warehouse.store import open_warehouse


@dataclass(frozen=True)
class Published:
    """What a publication came to. `is_new` False: nothing had changed since the last one, which still stands."""

    publication: Publication
    is_new: bool


def publish(site: Site, *, republish: bool = False) -> Published:
    """Publish the marts as they were built last. Raises UsageError for an earlier as-of date without `republish`.

    Raises HeldError while a cycle stands of which an expectation failed; what was published before stays.
    """
    site.config.workers.require_warehouse("publish")
    for directory in (site.home.warehouse, site.home.bi, site.home.publish):
        require_free_space(directory, NEEDED_BYTES)
    with site.lock(WRITER, wait=True):
        with site.ledger.reading() as connection:
            known = publications(connection)
        for each in known:
            if each.state == "prepared":
                _release(site, each)
        for part in site.home.publish.glob("*/*.tmp"):  # of a run that was killed before the ledger knew of them
            part.unlink()
        judge_closed(site)  # another process may have loaded a cycle and not come to judge it
        _require_quality(site)
        last = known[-1] if known else None
        with open_warehouse(site.home.warehouse, site.contracts, site.config.memory_mb) as warehouse:
            built = last_built(warehouse)
            if built is None:
                raise UsageError("nothing was built yet; run 'tierline build --as-of DATE' first")
            if not built.is_current or built.made_by != _made_by(site, warehouse):  # a load or another policy came
                build_in(site, warehouse, built.as_of, built.bill_month)
            as_of = built.as_of
            if not republish:
                _require_later(_as_of(last) if last else None, as_of)
            fingerprint = _fingerprint(site, warehouse, as_of)
            if last and last.fingerprint == fingerprint and _is_shown(site, last):
                return Published(last, is_new=False)
            made = _prepare(site, warehouse, as_of, fingerprint, known)
        _release(site, made)
        return Published(made, is_new=True)


def _is_shown(site: Site, last: Publication) -> bool:
    """Not so where the ledger was put back from a copy: readers have a state that it does not know."""
    return shown_state(site.home.bi) == last.publication_id and state_is_sound(site.home.bi)


def last_as_of(site: Site) -> date | None:
    """The as-of date of the last publication; None: nothing was published yet."""
    with site.ledger.reading() as connection:
        last = last_publication(connection)
    return _as_of(last) if last else None


def require_later(site: Site, as_of: date) -> None:
    """Raises UsageError for an as-of date before that of the last publication: before anything is built for it."""
    _require_later(last_as_of(site), as_of)


def _require_later(last: date | None, as_of: date) -> None:
    if last and as_of < last:
        raise UsageError(
            f"as-of date {as_of} lies before that of the last publication, {last}; publish it with --republish, or go "
            f"on from there: tierline run --as-of {last}"
        )


def _as_of(publication: Publication) -> date:
    return date.fromisoformat(publication.as_of_date)


def _require_quality(site: Site) -> None:
    with site.ledger.reading() as connection:
        failed = holding(connection)
    if failed:
        cycles = sorted({f"{each.key.feed} {each.key.source} {each.key.cycle}" for each in failed})
        shown = ", ".join(cycles[:5]) + (f" and {len(cycles) - 5} more" if len(cycles) > 5 else "")
        raise HeldError(
            f"publication held: {len(failed)} expectations failed of {shown}; what was published before stays; see "
            "'tierline quality --failed', then wait for a new version or let it through: 'tierline quality accept'"
        )


def _made_by(site: Site, warehouse: duckdb.DuckDBPyConnection) -> str:
    return made_by(warehouse, site.policy, known_sources(warehouse))


def _fingerprint(site: Site, warehouse: duckdb.DuckDBPyConnection, as_of: date) -> str:
    """Of all that a state is made from: as-of date, bill months, policy, models, contracts, batches, cycles."""
    digest = hashlib.sha256(f"{as_of}|{_made_by(site, warehouse)}".encode())
    for query in (
        "select stem, digest from ops.loaded_batch order by all",
        "select * from ops.batch order by all",
        "select * from ops.cycle order by all",
        "select * from mart.bill_month order by all",
    ):
        for row in warehouse.execute(query).fetchall():
            digest.update(repr(row).encode())
    return digest.hexdigest()


def _prepare(
    site: Site, warehouse: duckdb.DuckDBPyConnection, as_of: date, fingerprint: str, known: list[Publication]
) -> Publication:
    at = site.now
    publication_id = f"{as_of:%Y%m%d}-{_next_number(site, known):06d}"
    # One that a killed run left says what it would have held.
    warehouse.execute(
        "delete from ops.publication where not list_contains(cast($known as varchar[]), publication_id)",
        {"known": [each.publication_id for each in known]},
    )
    warehouse.execute(
        "insert into ops.publication by name select $id as publication_id, $as_of as as_of_date, $at as published_at, "
        "(select count(*) from ops.loaded_batch) as batch_count, load_no from ops.load_state",
        {"id": publication_id, "as_of": as_of, "at": at},
    )
    forget_changes(warehouse)
    lists = tuple(prepare_lists(site, warehouse, as_of, known))

    def add_report(directory: Path) -> None:
        from pipelines.reporting.report import write_report  # charts and templates: only who publishes waits for them

        write_report(warehouse, directory, publication_id, lists, site.home.bi / CURRENT)

    write_state(warehouse, site.contracts, site.home.bi, publication_id, add=add_report)
    parts = list(site.home.publish.glob("*/*.tmp"))
    sync_all(parts)
    sync_directories({part.parent for part in parts})
    fault_point("publish")
    made = Publication(publication_id, as_of.isoformat(), "prepared", fingerprint, lists, at, None)
    with site.ledger.transaction() as connection:
        prepare(connection, made)
    return made


def _next_number(site: Site, known: Iterable[Publication]) -> int:
    """Past all that the ledger or `bi/` knows: under an id that readers have open nothing else may appear."""
    return 1 + max([each.number for each in known] + [greatest_number(site.home.bi)])


def _release(site: Site, made: Publication) -> None:
    if (site.home.bi / "states" / made.publication_id).exists():  # it went where an older ledger was put back
        show_state(site.home.bi, made.publication_id)
    fault_point("release")
    for each in made.lists:
        release_list(site.home.publish / each.name.feed, each.name)
    with site.ledger.transaction() as connection:
        mark_published(connection, made.publication_id, site.now)
