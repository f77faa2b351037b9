"""The command doctor: whether everything that a run needs is as it must be, a line each, with what to do."""

from __future__ import annotations

import os
import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import typer
from sqlalchemy import func, select

from pipelines.archive import kept_stems
from pipelines.cli.context import JsonOption, home_path, open_site, past_sources
from pipelines.cli.doctor_peers import look_at_channels, look_at_receiver, look_at_source
from pipelines.cli.doctor_stores import Finding, attempt, look_at_ledger, look_at_store, look_at_warehouse
from pipelines.cli.output import Exit, show_rows
from pipelines.config import FILE_NAME as CONFIGURATION
from pipelines.config import ReceiverConfig, SourceConfig
from pipelines.config_fields import SecretRef
from pipelines.errors import TierlineError
from pipelines.fetching import NEEDED_BYTES
from pipelines.ledger.tables import offering
from pipelines.rights import too_open
from pipelines.site import DIRECTORIES, Site, free_bytes, require_cadences

_LOW_DISK_BYTES = 2 << 30
_WRITABLE = "give the user that runs tierline the right to write there; mount what the key shared names"
_CONTRACT_GONE = "put it back; a feed that is no longer sent is taken out of its sources in tierline.yaml alone"


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
        site = open_site(home, as_found=True)
    except TierlineError as error:
        yield Finding("configuration", "failed", str(error), "mend tierline.yaml, contracts or policy as it says")
        return
    except OSError as error:
        yield Finding("directories", "failed", str(error), _WRITABLE)
        return
    yield Finding("configuration", "ok", f"{len(site.config.sources)} sources, {len(site.contracts.feeds)} contracts")
    yield attempt("directories", lambda: _directories(site), _WRITABLE)
    yield _rights(site)
    disk = _disk(site)
    yield disk
    yield _clock()
    to_do = disk.to_do if disk.state == "failed" else "check the path or URL of the ledger"
    ledger = attempt("ledger", lambda: look_at_ledger(site), to_do)
    yield ledger
    if ledger.state != "failed":
        yield attempt("contracts", lambda: _contracts(site), _CONTRACT_GONE)
        yield from (_past(site, source) for source in sorted(past_sources(site)))
        yield from _unknown(site)
    yield from look_at_store(site)
    if site.config.workers.is_intake:
        yield Finding("role", "ok", "intake worker: fetches, checks, acknowledges; the warehouse is in another home")
    else:
        yield from look_at_warehouse(site, with_ledger=ledger.state == "ok")
    for source in site.config.sources.values():
        yield from look_at_source(site, source)
    if not site.config.workers.is_intake:
        yield from (look_at_receiver(receiver) for receiver in site.config.receivers.values())
    yield from look_at_channels(site)


def _directories(site: Site) -> str:
    for name in DIRECTORIES:
        directory = getattr(site.home, name)
        probe = directory / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    places = " and ".join(dict.fromkeys(str(place) for place in (site.home.root, site.home.shared)))
    return f"{len(DIRECTORIES)} directories below {places}, all writable"


def _contracts(site: Site) -> str:
    """Whether each feed that the ledger knows has one still, of its cadence: commands that meet another end."""
    with site.ledger.reading() as connection:
        feeds = connection.scalars(select(offering.c.feed).distinct().order_by(offering.c.feed)).all()
    for feed in feeds:
        site.contracts[feed]
    require_cadences(site)
    return f"{len(feeds)} feeds in the ledger, each with its contract"


def _rights(site: Site) -> Finding:
    """Whether others may read what is the owner's alone; a home that an older release made is wider."""
    home = site.home.root
    private = [getattr(site.home, name) for name in DIRECTORIES if name != "bi"]
    private += [site.config.spark.lake] if site.config.spark else []
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
    url = site.config.ledger_url(site.home.root)
    places = [site.home.root, *(getattr(site.home, name) for name in DIRECTORIES)]
    places += [Path(str(url.database)).parent] if url.get_backend_name() == "sqlite" else []
    free, place = min((free_bytes(place), place) for place in places if place.is_dir())
    found = f"{free >> 20} MiB free in {place}"
    if free < NEEDED_BYTES:
        to_do = f"free space there: with less than {NEEDED_BYTES >> 20} MiB nothing is loaded or published"
        return Finding("disk", "failed", found, to_do)
    if free < _LOW_DISK_BYTES:
        return Finding("disk", "warning", found, "free space there before the next load")
    return Finding("disk", "ok", found)


def _clock() -> Finding:
    if "TIERLINE_NOW" in os.environ:
        return Finding("clock", "warning", "TIERLINE_NOW sets the time", "unset it outside rehearsals")
    try:
        zoneinfo.ZoneInfo("Asia/Shanghai")
    except zoneinfo.ZoneInfoNotFoundError as error:
        return Finding("clock", "failed", str(error), "install the package tzdata")
    return Finding("clock", "ok", "Asia/Shanghai known")


def _past(site: Site, source: str) -> Finding:
    """Batches of a source that nobody asks any more; all that is shown and published of it rests on them."""
    with site.ledger.reading() as connection:
        count = connection.scalar(select(func.count()).where(offering.c.source == source))
    found = f"{count} batches in the ledger, and tierline.yaml names it no longer"
    return Finding(f"source {source}", "warning", found, "put it back, unless it is meant to send no more")


def _unknown(site: Site) -> Iterator[Finding]:
    """Batches that came after a ledger that was put back: nothing loads them, and little else tells of them."""
    kept = kept_stems(site.home.archive)  # before the ledger is asked: what comes meanwhile is there first
    with site.ledger.reading() as connection:
        stems = sorted(kept.difference(connection.scalars(select(offering.c.stem).distinct())))
    if stems:
        found = f"{len(stems)} batches that the ledger does not know, such as {stems[0]}"
        to_do = "offer them again: docs/engineers/deployment.md, 'A ledger that is lost'"
        yield Finding("archive", "warning", found, to_do)
