"""What doctor finds of servers that files come from and go to, and of channels for alarms."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.cli.doctor_stores import Finding, attempt
from pipelines.config import ReceiverConfig, SourceConfig
from pipelines.errors import TierlineError, TransferError
from pipelines.lanes import GONE
from pipelines.site import Site
from pipelines.telling.alarms import channels
from pipelines.transfer.base import Transport
from pipelines.transfer.connect import connect

_ANSWERS = ("receipt", "request")


def look_at_source(site: Site, source: SourceConfig) -> Iterator[Finding]:
    """Whether a source can be reached, listed and written to."""
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


def look_at_receiver(receiver: ReceiverConfig) -> Finding:
    """Whether a receiver can be reached and written to."""
    what = f"receiver {receiver.receiver}"
    try:
        with connect(receiver.with_secret()) as transport:
            _try_to_write(transport, *receiver.lists)
    except TierlineError as error:
        return Finding(what, "failed", str(error), "check url, secret and host_key of this receiver, and its server")
    return Finding(what, "ok", f"connected; may write {', '.join(receiver.lists)}")


def look_at_channels(site: Site) -> Iterator[Finding]:
    """Whether webhook and mail are there; nothing is sent."""
    errors: list[str] = []
    to_do = "check the key alarms of tierline.yaml, and who it names"
    for channel in channels(site, errors):
        yield attempt("alarms", channel.probe, to_do)
    yield from (Finding("alarms", "failed", error, to_do) for error in errors)
