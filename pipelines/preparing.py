"""mart → lists: the files of every list of a publication, written but not yet under their names."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

import duckdb
import polars as pl

from pipelines.errors import StoreError
from pipelines.increments import increment
from pipelines.ledger.publications import ListRecord, Publication, regular
from pipelines.list_files import list_body, prepare_list
from pipelines.list_rows import fetched
from pipelines.lists import LISTS, NATION, ListKind
from pipelines.names import BatchName
from pipelines.published_lists import find_list, last_lists
from pipelines.site import Site
from warehouse.policy_tables import ALL

_LAST_VERSION = 99  # two digits of a file's name
_log = logging.getLogger(__name__)


def prepare_lists(
    site: Site, warehouse: duckdb.DuckDBPyConnection, as_of: date, known: list[Publication]
) -> Iterator[ListRecord]:
    """Every list of every source: whole, unless that of the day stands; and what changed since the last whole one."""
    is_regular = not known or as_of.isoformat() >= regular(known)[-1].as_of_date
    last = last_lists(known)
    for kind in LISTS:
        for source in _sources_known(site, warehouse, kind):
            full = last.get((kind.name, source, "F"))
            cycle = _month(warehouse, kind, source) if kind.is_monthly else f"{as_of:%Y%m%d}"
            name = BatchName(kind.name, source, "F", cycle, "0001", "00")
            if kind.key and is_regular and full and full.name.cycle == cycle:
                yield full
            else:
                yield _prepare_list(site, name, _rows(warehouse, kind, source), known)
            base = find_list(site.home.publish, full.stem) if kind.key and is_regular and full else None
            if base is not None:
                yield _prepare_list(site, replace(name, mode="I"), increment(warehouse, kind, source, base), known)


def _sources_known(site: Site, warehouse: duckdb.DuckDBPyConnection, kind: ListKind) -> list[str]:
    """Sources with subscribers in core: for another an empty list would tell receivers that it has none left."""
    table = kind.table if kind.is_monthly else "core.subscriber"
    known = {source for (source,) in warehouse.execute(f"select distinct source from {table}").fetchall()}
    named = (*site.config.sources, NATION) if kind.is_monthly else site.config.sources
    return [source for source in named if _in_tables(source) in known]


def _in_tables(source: str) -> str:
    return ALL if source == NATION else source


def _month(warehouse: duckdb.DuckDBPyConnection, kind: ListKind, source: str) -> str:
    query = f"select max(month) from {kind.table} where source = $source"
    ((month,),) = warehouse.execute(query, {"source": _in_tables(source)}).fetchall()
    return str(month)


def _rows(warehouse: duckdb.DuckDBPyConnection, kind: ListKind, source: str) -> pl.DataFrame:
    shown = "*" if kind.is_monthly else "* exclude (source)"
    query = f"select {shown} from {kind.table} as listed where source = $source order by {kind.order}"
    return fetched(warehouse, query, {"source": _in_tables(source)})


def _prepare_list(site: Site, name: BatchName, rows: pl.DataFrame, known: Iterable[Publication]) -> ListRecord:
    """Write a source's list, unless the newest one of its cycle says the same already; a newer one replaces it."""
    prefix = name.stem[: -len(name.version)]
    former = [each for publication in known for each in publication.lists if each.stem.startswith(prefix)]
    body = list_body(rows)
    body_digest = hashlib.sha256(body).hexdigest()
    directory = site.home.publish / name.feed
    # A ledger that was put back from a copy does not know of all that stand there, and that receivers may have.
    stems = [f"{prefix}{version:02d}" for version in range(_LAST_VERSION + 1)]
    taken = {stem for stem in stems if (directory / f"{stem}.DAT").exists()} | {each.stem for each in former}
    if former and former[-1].body_digest == body_digest and former[-1].stem == max(taken):
        return former[-1]
    version = int(max(taken)[len(prefix) :]) + 1 if taken else 0
    if version > _LAST_VERSION and not former:
        raise StoreError(
            f"{directory}/{prefix}{_LAST_VERSION}.DAT: expected a version that can still be named, found all of them, "
            "of which the ledger knows none; put back the ledger that does, or set these files aside"
        )
    if version > _LAST_VERSION:  # it must not keep the state and all other lists from whoever waits
        _log.warning(
            "%s has %d versions, all that names can tell: it stays as it is until its next cycle", prefix, version
        )
        return former[-1]
    name = replace(name, version=f"{version:02d}")
    prepare_list(name, body, rows.height, directory, site.now)
    rows.write_parquet(directory / f"{name.stem}.parquet.tmp")
    return ListRecord(name.stem, rows.height, body_digest)
