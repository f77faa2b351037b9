"""E206 where a batch is acknowledged: its copy on the server is gone, or not as large as the check file said."""

from __future__ import annotations

from pipelines.ledger.alarms import Kind, raise_alarm
from pipelines.ledger.offerings import Offering
from pipelines.site import Site
from pipelines.transfer.base import Transport


def alarm_gone(site: Site, current: Offering) -> str:
    """E206 of a judged file that stands nowhere on the server any more."""
    message = (
        f"expected the judged file in outgoing/{current.feed} or backup/ on the server, found it gone or replaced; "
        f"our copy stands{f' in {current.kept_in}' if current.kept_in else ''}; run 'tierline backups restore'"
    )
    return _alarm(site, current, message)


def check_backup(site: Site, transport: Transport, directory: str, files: list[tuple[Offering, str]]) -> list[str]:
    """E206: the server's backup and our copy both hold as many bytes as the check file said. Raises TransferError."""
    sizes = {entry.name: entry.size for entry in transport.list(directory)}
    alarms = []
    for current, name in files:
        if current.bytes is None or current.kept_in is None or name not in sizes:
            continue  # a duplicate has no copy of its own; one that was not moved was told already
        ours = site.home.shared / current.kept_in / current.file_name
        our_size = site.objects.size(ours)
        if current.archive_pruned_at is not None:
            our_size = current.bytes  # expired, not lost
        found = sizes[name] if sizes[name] is not None else current.bytes  # a server that knows no sizes
        if found != current.bytes or our_size != current.bytes:
            message = (
                f"expected {current.bytes} bytes in {directory}/{name} on the server and in "
                f"{current.kept_in} here, found {found} and {our_size}; run 'tierline backups restore'"
            )
            alarms.append(_alarm(site, current, message))
    return alarms


def _alarm(site: Site, current: Offering, message: str) -> str:
    with site.ledger.transaction() as connection:
        raise_alarm(connection, Kind.COPIES, current.stem, message, site.now)
    return f"E206 {current.stem}: {message}"
