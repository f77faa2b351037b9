"""The command doctor: whether everything that a run needs is as it must be, a line each, with what to do."""

from __future__ import annotations

import os
import shutil
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import typer
from sqlalchemy import select

from pipelines.cli.context import JsonOption, home_path, open_site
from pipelines.cli.output import Exit, show_rows
from pipelines.config import FILE_NAME as CONFIGURATION
from pipelines.config import ReceiverConfig, SourceConfig
from pipelines.config_fields import SecretRef
from pipelines.errors import TierlineError, TransferError
from pipelines.lanes import GONE
from pipelines.ledger.tables import offering
from pipelines.objects import ObjectStore
from pipelines.rights import too_open
from pipelines.site import DIRECTORIES, Site
from pipelines.transfer.base import Transport
from pipelines.transfer.connect import connect
from warehouse.spark.session import require_spark
from warehouse.store import FILE_NAME, open_warehouse
from warehouse.versions import found_version

_LOW_DISK_BYTES = 2 << 30
_ANSWERS = ("receipt", "request")
_WRITABLE = "give the user that runs tierline the right to write there; mount what the key shared names"
_CONTRACT_GONE = "put it back; a feed that is no longer sent is taken out of its sources in tierline.yaml alone"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `state` ok, warning or failed, and what to do where it is not ok."""

    what: str
    state: str
    found: str
    to_do: str = ""


def doctor(context: typer.Context, as_json: JsonOption = False) -> None:
    """Check configuration, connections, host keys, directories and rights, disk, clock, ledger and warehouse.

    Example: tierline doctor
    """
    findings = list(examine(home_path(context)))
    columns = ["what", "state", "found", "to_do"]
    show_rows(columns, [[getattr(each, name) for name in columns] for each in findings], as_json=as_json)
    failed = [each.what for each in findings if each.state == "failed"]
    if failed:
        raise typer.Exit(Exit.USAGE if failed == ["configuration"] else Exit.FAILED)


def examine(home: Path) -> Iterator[Finding]:
    """Look at everything; what cannot be looked at without what failed before is left out."""
    try:
        site = open_site(home)
    except TierlineError as error:
        yield Finding("configuration", "failed", str(error), "mend tierline.yaml, contracts or policy as it says")
        return
    except OSError as error:
        yield Finding("directories", "failed", str(error), _WRITABLE)
        return
    yield Finding("configuration", "ok", f"{len(site.config.sources)} sources, {len(site.contracts.feeds)} contracts")
    yield _attempt("directories", lambda: _directories(site), _WRITABLE)
    yield _rights(site)
    yield _disk(site)
    yield _clock()
    ledger = _attempt("ledger", lambda: _ledger(site), "check the path or URL of the ledger")
    yield ledger
    if ledger.state == "ok":
        yield _attempt("contracts", lambda: _contracts(site), _CONTRACT_GONE)
    yield from _store(site)
    if site.config.workers.is_intake:
        yield Finding("role", "ok", "intake worker: fetches, checks, acknowledges; the warehouse is in another home")
    else:
        yield from _of_warehouse(site)
    for source in site.config.sources.values():
        yield from _source(site, source)
    if not site.config.workers.is_intake:
        yield from (_receiver(receiver) for receiver in site.config.receivers.values())


def _of_warehouse(site: Site) -> Iterator[Finding]:
    if site.config.spark is not None:
        yield _attempt("engine", require_spark, "install what it names, or set engine: duckdb")
    yield _attempt("warehouse", lambda: _warehouse(site), "end the process that holds it, or check its rights")
    yield _attempt("published state", lambda: _published(site), "publish again: tierline publish")


def _store(site: Site) -> Iterator[Finding]:
    if isinstance(site.objects, ObjectStore):
        to_do = "see the key store of tierline.yaml, and whether bucket and rights are there"
        yield _attempt("object store", site.objects.probe, to_do)
        if site.objects.is_readable_on_the_way:
            yield Finding("object store", "warning", "plain HTTP sends data readable", "use an endpoint with https")


def _attempt(what: str, look: Callable[[], str], to_do: str) -> Finding:
    try:
        return Finding(what, "ok", look())
    except (TierlineError, OSError, duckdb.Error) as error:
        return Finding(what, "failed", str(error).splitlines()[0], to_do)


def _directories(site: Site) -> str:
    for name in DIRECTORIES:
        directory = getattr(site.home, name)
        probe = directory / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    places = " and ".join(dict.fromkeys(str(place) for place in (site.home.root, site.home.shared)))
    return f"{len(DIRECTORIES)} directories below {places}, all writable"


def _contracts(site: Site) -> str:
    """Whether each feed that the ledger knows has one still: commands that meet a batch without it end."""
    with site.ledger.reading() as connection:
        feeds = connection.scalars(select(offering.c.feed).distinct().order_by(offering.c.feed)).all()
    for feed in feeds:
        site.contracts[feed]
    return f"{len(feeds)} feeds in the ledger, each with its contract"


def _rights(site: Site) -> Finding:
    """Whether others may read what is the owner's alone; a home that an older release made is wider."""
    home = site.home.root
    private = [getattr(site.home, name) for name in DIRECTORIES if name != "bi"]
    private += [home / "ledger.sqlite", home / "bi" / "private.duckdb", *_secret_files(site)]
    found = [str(path) for path in too_open(private)]
    if found:
        shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        return Finding("rights", "warning", f"others may read {shown}", "chmod -R go= what is named")
    world = [path for path in (home, site.home.bi, home / CONFIGURATION) if path.stat().st_mode & 0o007]
    if world:
        return Finding(
            "rights",
            "warning",
            f"everybody may enter or read {world[0]}",
            f"chmod o= {world[0]}; BI tools come by the group",
        )
    return Finding("rights", "ok", "bi/ for owner and group, all else for the owner alone")


def _secret_files(site: Site) -> Iterator[Path]:
    """Files that the configuration names as secrets, and SSH keys."""
    config = site.config
    peers: list[SourceConfig | ReceiverConfig] = [*config.sources.values(), *config.receivers.values()]
    secrets = [config.ledger_secret, *(each.secret for each in peers)]
    secrets += [config.webhook.url, config.webhook.secret] if config.webhook else []
    secrets += [config.mail.secret] if config.mail else []
    for secret in secrets:
        if isinstance(secret, SecretRef) and secret.reference.startswith("file:"):
            yield Path(secret.reference.removeprefix("file:"))
    for peer in peers:
        if peer.endpoint.key_file:
            yield Path(peer.endpoint.key_file)


def _disk(site: Site) -> Finding:
    free = min(shutil.disk_usage(place).free for place in (site.home.root, site.home.shared))
    state = "ok" if free > _LOW_DISK_BYTES else "warning"
    return Finding("disk", state, f"{free >> 30} GiB free", "" if state == "ok" else "free space before the next load")


def _clock() -> Finding:
    if "TIERLINE_NOW" in os.environ:
        return Finding("clock", "warning", "TIERLINE_NOW sets the time", "unset it outside rehearsals")
    try:
        zoneinfo.ZoneInfo("Asia/Shanghai")
    except zoneinfo.ZoneInfoNotFoundError as error:
        return Finding("clock", "failed", str(error), "install the package tzdata")
    return Finding("clock", "ok", "Asia/Shanghai known")


def _ledger(site: Site) -> str:
    with site.ledger.transaction() as connection:
        return f"{connection.dialect.name}, can be written"


def _warehouse(site: Site) -> str:
    if not (site.home.warehouse / FILE_NAME).exists():
        return "none yet; the first load makes it"
    with open_warehouse(site.home.warehouse, site.contracts, site.config.memory_mb) as warehouse:
        (count,) = warehouse.execute("select count(*) from ops.loaded_batch").fetchall()[0]
        version = found_version(warehouse)
    return f"opens; version {version}; {count} batches loaded"


def _published(site: Site) -> str:
    path = site.home.bi / "current.duckdb"
    if not path.exists():
        return "none yet; the first publication makes it"
    with duckdb.connect(str(path), read_only=True) as connection:
        row = connection.execute("select max_by(publication_id, published_at) from ops.publication").fetchall()
    return f"opens; publication {row[0][0]}"


def _source(site: Site, source: SourceConfig) -> Iterator[Finding]:
    what = f"source {source.source}"
    try:
        with connect(source.with_secret()) as transport:
            entries = sum(len(transport.list(f"outgoing/{feed}")) for feed in source.feeds)
            _try_to_write(transport, "backup", *(f"{place}/{feed}" for place in _ANSWERS for feed in source.feeds))
            refusal = _refused_listing(transport, "outgoing")
    except TierlineError as error:
        yield Finding(what, "failed", str(error), "check url, secret and host_key of this source, and its server")
        return
    found = f"connected; {entries} entries of {len(source.feeds)} feeds; may write in backup/, receipt/, request/"
    yield Finding(what, "ok", found)
    if refusal:
        to_do = "batches come all the same; to hear of what lies beside the feeds, ask for the right to list it"
        yield Finding(what, "warning", refusal, to_do)
    if source.endpoint.scheme == "ftp":
        yield Finding(what, "warning", "plain FTP sends passwords and data readable", "use sftp or ftps")


def _refused_listing(transport: Transport, directory: str) -> str | None:
    """Why a directory may not be listed, by a server that answers."""
    try:
        transport.list(directory)
    except GONE:
        raise
    except TransferError as error:
        return str(error)
    return None


def _try_to_write(transport: Transport, *directories: str) -> None:
    """Make a file in each, as a run would, and remove it. Raises TransferError."""
    for directory in directories:
        transport.write(f"{directory}/.doctor", [])
        transport.remove(f"{directory}/.doctor")


def _receiver(receiver: ReceiverConfig) -> Finding:
    what = f"receiver {receiver.receiver}"
    try:
        with connect(receiver.with_secret()) as transport:
            _try_to_write(transport, *receiver.lists)
    except TierlineError as error:
        return Finding(what, "failed", str(error), "check url, secret and host_key of this receiver, and its server")
    return Finding(what, "ok", f"connected; may write {', '.join(receiver.lists)}")
