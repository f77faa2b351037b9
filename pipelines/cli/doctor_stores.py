"""What doctor finds of ledger, warehouse, published state and object store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import duckdb

from pipelines.errors import OtherLedgerError, StoreError, TierlineError
from pipelines.ledger.publications import last_publication
from pipelines.ledger.standing import standing_stems
from pipelines.ledger.store import VERSION
from pipelines.objects import ObjectStore
from pipelines.site import Site
from pipelines.to_core import require_its_ledger
from warehouse.damage import is_damage, require_whole_file
from warehouse.spark.session import look_at_spark
from warehouse.states import shown_state
from warehouse.store import FILE_NAME, look_at_tables, open_as_found
from warehouse.versions import STORE_VERSION, found_version

_AS_SAID = "do what it says"
_PUBLISH = "publish again: tierline publish"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `state` ok, warning or failed, and what to do where it is not ok."""

    what: str
    state: str
    found: str
    to_do: str = ""


def attempt(what: str, look: Callable[[], str | Finding], to_do: str) -> Finding:
    """What a look finds; what it raises is a finding that failed, with what to do."""
    try:
        found = look()
        return found if isinstance(found, Finding) else Finding(what, "ok", found)
    except (TierlineError, OSError, duckdb.Error) as error:
        # A store that we refuse for what it holds says its own way out; what a file, server or process says knows none.
        is_said = type(error) in (StoreError, OtherLedgerError) and (error.__cause__ is None or is_damage(error))
        return Finding(what, "failed", str(error).splitlines()[0], _AS_SAID if is_said else to_do)


def look_at_store(site: Site) -> Iterator[Finding]:
    """The object store, where there is one."""
    if isinstance(site.objects, ObjectStore):
        to_do = "see the key store of tierline.yaml, and whether bucket and rights are there"
        yield attempt("object store", site.objects.probe, to_do)
        if site.objects.is_readable_on_the_way:
            yield Finding("object store", "warning", "plain HTTP sends data readable", "use an endpoint with https")


def look_at_ledger(site: Site) -> str | Finding:
    """Whether the ledger can be written; one of an older release stays as it is. Raises what it raises."""
    with site.ledger.transaction() as connection:
        if site.ledger.version < VERSION:
            return _older("ledger", f"version {site.ledger.version}; the next other command makes it {VERSION}")
        return f"{connection.dialect.name}, can be written"


def _older(what: str, found: str) -> Finding:
    """What an older release made; it could not be used by that one any more."""
    return Finding(what, "warning", found, "copy ledger and warehouse/ first: docs/engineers/deployment.md, 'Upgrade'")


def look_at_warehouse(site: Site, *, with_ledger: bool) -> Iterator[Finding]:
    """The engine, the warehouse and the published state; held against the ledger where that can be read."""
    spark = site.config.spark
    if spark is not None:
        yield attempt("engine", lambda: look_at_spark(spark), "mend what it names, or set engine: duckdb")
    held = "end the process that holds it, or check its rights"
    yield attempt("warehouse", lambda: _warehouse(site, with_ledger=with_ledger), held)
    yield attempt("published state", lambda: _published(site, with_ledger=with_ledger), _PUBLISH)


def _warehouse(site: Site, *, with_ledger: bool) -> str | Finding:
    if not (site.home.warehouse / FILE_NAME).exists():
        return "none yet; the first load makes it"
    with open_as_found(site.home.warehouse) as warehouse:
        version = found_version(warehouse)
        if version is not None and version < STORE_VERSION:
            return _older("warehouse", f"opens; version {version}; the next load makes it {STORE_VERSION}")
        look_at_tables(warehouse, site.contracts)
        require_whole_file(warehouse, site.home.warehouse / FILE_NAME)
        (count,) = warehouse.execute("select count(*) from ops.loaded_batch").fetchall()[0]
        if with_ledger:
            with site.ledger.reading() as connection:
                standing = {each.stem for each in standing_stems(connection)}
                require_its_ledger(site, connection, warehouse, standing)
    return f"opens; version {version}; {count} batches loaded"


def _published(site: Site, *, with_ledger: bool) -> str | Finding:
    path = site.home.bi / "current.duckdb"
    if not path.exists():
        return "none yet; the first publication makes it"
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("select count(*) from ops.publication")
    shown = shown_state(site.home.bi)
    last = _last_publication(site) if with_ledger else shown
    if last != shown:  # the ledger, or the warehouse too, was put back from a copy
        found = f"readers have {shown}, the last publication in the ledger is {last or 'none'}"
        return Finding("published state", "warning", found, _PUBLISH)
    return f"opens; publication {shown}"


def _last_publication(site: Site) -> str | None:
    with site.ledger.reading() as connection:
        last = last_publication(connection)
    if last and last.state == "prepared":
        return shown_state(site.home.bi)  # the next run shows that one, or ends its naming
    return last.publication_id if last else None
