"""mart → published: one state for readers and the lists made from it, under one publication_id, all or nothing.

Everything is written under temporary names first; then the ledger notes the publication as prepared; then names are
given: the state, then the lists, each list's end file last. A run that finds a prepared publication finishes it first.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from pipelines.durable import sync_all, sync_directories
from pipelines.errors import HeldError, UsageError
from pipelines.faults import fault_point
from pipelines.fetching import NEEDED_BYTES
from pipelines.increments import increment
from pipelines.ledger.publications import ListRecord, Publication, mark_published, prepare, publications, regular
from pipelines.ledger.quality import holding
from pipelines.list_files import list_body, prepare_list, release_list
from pipelines.lists import LISTS, NATION, ListKind
from pipelines.names import BatchName
from pipelines.published_lists import last_lists, read_list
from pipelines.quality.running import judge_closed
from pipelines.site import WRITER, Site, require_free_space
from pipelines.steps import build_in
from warehouse.build import known_sources, last_built, made_by
from warehouse.changes import forget_changes
from warehouse.policy_tables import ALL
from warehouse.publish import write_state
from warehouse.states import CURRENT, show_state, state_is_sound
from warehouse.store import open_warehouse

_LAST_VERSION = 99  # two digits of a file's name
_log = logging.getLogger(__name__)


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
        with site.ledger.transaction() as connection:
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
            if last and last.fingerprint == fingerprint and state_is_sound(site.home.bi):
                return Published(last, is_new=False)
            made = _prepare(site, warehouse, as_of, fingerprint, known)
        _release(site, made)
        return Published(made, is_new=True)


def last_as_of(site: Site) -> date | None:
    """The as-of date of the last publication; None: nothing was published yet."""
    with site.ledger.reading() as connection:
        known = publications(connection)
    return _as_of(known[-1]) if known else None


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
    publication_id = f"{as_of:%Y%m%d}-{len(known) + 1:06d}"
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
    lists = tuple(_prepare_lists(site, warehouse, as_of, known))

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


def _prepare_lists(
    site: Site, warehouse: duckdb.DuckDBPyConnection, as_of: date, known: list[Publication]
) -> Iterator[ListRecord]:
    """Every list of every source: whole, unless that of the day stands; and what changed since the last whole one."""
    is_regular = not known or as_of.isoformat() >= regular(known)[-1].as_of_date
    last = last_lists(known)
    for kind in LISTS:
        table = _rows(warehouse, kind)
        for source in _sources_known(site, warehouse, kind, table):
            rows = table.filter(pl.col("source") == (ALL if source == NATION else source))
            rows = rows if kind.is_monthly else rows.drop("source")
            cycle = rows["month"].max() if kind.is_monthly else f"{as_of:%Y%m%d}"
            name = BatchName(kind.name, source, "F", str(cycle), "0001", "00")
            full = last.get((kind.name, source, "F"))
            if kind.key and is_regular and full and full.name.cycle == cycle:
                yield full
            else:
                yield _prepare_list(site, name, rows, known)
            base = read_list(site.home.publish, full.stem) if kind.key and is_regular and full else None
            if base is not None:
                yield _prepare_list(site, replace(name, mode="I"), increment(kind, rows, base), known)


def _sources_known(site: Site, warehouse: duckdb.DuckDBPyConnection, kind: ListKind, table: pl.DataFrame) -> list[str]:
    """Sources with subscribers in core: for another an empty list would tell receivers that it has none left."""
    if kind.is_monthly:
        found = set(table["source"].to_list())
        return [source for source in (*site.config.sources, NATION) if (ALL if source == NATION else source) in found]
    known = {source for (source,) in warehouse.execute("select distinct source from core.subscriber").fetchall()}
    return [source for source in site.config.sources if source in known]


def _rows(warehouse: duckdb.DuckDBPyConnection, kind: ListKind) -> pl.DataFrame:
    frame = pl.from_arrow(warehouse.sql(f"from {kind.table} order by all").to_arrow_table())
    assert isinstance(frame, pl.DataFrame)
    return frame


def _prepare_list(site: Site, name: BatchName, rows: pl.DataFrame, known: Iterable[Publication]) -> ListRecord:
    """Write a source's list, unless the newest one of its cycle says the same already; a newer one replaces it."""
    prefix = name.stem[: -len(name.version)]
    former = [each for publication in known for each in publication.lists if each.stem.startswith(prefix)]
    body_digest = hashlib.sha256(list_body(rows)).hexdigest()
    if former and former[-1].body_digest == body_digest:
        return former[-1]
    version = len({each.stem for each in former})
    if version > _LAST_VERSION:  # of one list: it must not keep the state and all other lists from whoever waits
        _log.warning(
            "%s has %d versions, all that names can tell: it stays as it is until its next cycle", prefix, version
        )
        return former[-1]
    name = replace(name, version=f"{version:02d}")
    prepared = prepare_list(name, rows, site.home.publish / name.feed, site.now)
    rows.write_parquet(site.home.publish / name.feed / f"{name.stem}.parquet.tmp")
    return ListRecord(name.stem, prepared.records, prepared.body_digest)


def _release(site: Site, made: Publication) -> None:
    show_state(site.home.bi, made.publication_id)
    fault_point("release")
    for each in made.lists:
        name = each.name
        file_names = (f"{name.stem}.parquet", f"{name.stem}.DAT", f"{name.stem}.CHK", f"{name.cycle_key}.END")
        release_list(site.home.publish / name.feed, file_names)
    with site.ledger.transaction() as connection:
        mark_published(connection, made.publication_id, site.now)
