"""What the producer gets to know: the file moved to backup/, its receipt, its rejects, a request to send again.

Every step can be made twice without harm: a receipt says the same again, and a move that was made is not made anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from pipelines.checks.staging import StagedPaths, reject_file
from pipelines.clock import compact
from pipelines.errors import TransferError
from pipelines.faults import fault_point
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Offering, State
from pipelines.resends import ASKS_FOR_RESEND, request_resend
from pipelines.site import Scope, Site, cycle_day
from pipelines.transfer.base import RemoteMissingError, Transport


@dataclass
class Acknowledged:
    """Stems that were acknowledged, and alarms: what stands otherwise than it must (E206)."""

    stems: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)  # batches that the server did not let us acknowledge


def due_for_acknowledgement(site: Site, source: str, scope: Scope) -> list[Offering]:
    """Judged batches of a source within a scope whose producer does not know yet."""
    with site.ledger.transaction() as connection:
        found = offerings.find(connection, offerings.awaiting_acknowledgement(source))
    return [each for each in found if scope.has(each.source, each.feed, each.cycle)]


def acknowledge(site: Site, transport: Transport, due: list[Offering]) -> Acknowledged:
    """Move each batch on the server, write its receipt, and note that it was done. Raises TransferError."""
    done = Acknowledged()
    moved: dict[str, list[tuple[Offering, str]]] = {}
    failed_before = False
    for current in due:
        target = backup_path(site, current)
        try:
            done.alarms += _acknowledge_one(site, transport, current, target)
            failed_before = False
        except TransferError as error:  # one batch does not keep the receipts of the others
            if failed_before:
                raise  # two in a row: it is the server
            failed_before = True
            done.errors.append(str(error))
            continue
        done.stems.append(current.stem)
        directory, _, name = target.rpartition("/")
        moved.setdefault(directory, []).append((current, name))
    for directory, files in moved.items():
        done.alarms += _check_backup(site, transport, directory, files)
    return done


def backup_path(site: Site, current: Offering) -> str:
    """Where the data file belongs on the server: `backup/<day>/<FEED>/`, refused and duplicate ones apart by time."""
    directory = f"backup/{cycle_day(site, current):%Y%m%d}/{current.feed}"
    if current.code is None and current.state is not State.DUPLICATE:
        return f"{directory}/{current.file_name}"
    return f"{directory}/refused/{compact(current.taken_at)}-{current.file_name}"


def receipt_line(current: Offering) -> bytes:
    """`name|status|records|loaded|rejected|code|reason|time`; counts are empty where they are not known."""
    if current.state is State.DUPLICATE:
        status = "DUPLICATE"
    elif current.code is not None:
        status = "REFUSED"
    else:
        status = "PARTIAL" if current.rejected else "ACCEPTED"
    reason = (current.reason or "").replace("|", "/").replace("\n", " ")
    assert current.judged_at is not None, "only judged batches have a receipt"
    counts = ["" if count is None else str(count) for count in (current.records, current.loaded, current.rejected)]
    parts = [current.file_name, status, *counts, current.code or "", reason, compact(current.judged_at)]
    return ("|".join(parts) + "\n").encode()


def _acknowledge_one(site: Site, transport: Transport, current: Offering, target: str) -> list[str]:
    alarms = _move_pair(transport, current, target)
    fault_point("backup")
    _answer(site, transport, current)
    fault_point("receipt")
    with site.ledger.transaction() as connection:
        offerings.acknowledge(connection, current.offering_id, site.now)
    return alarms


def _move_pair(transport: Transport, current: Offering, target: str) -> list[str]:
    """Move the pair that was judged, and no other: what the producer put in its place since is left for the next poll.

    The data file goes first: its check file alone announces nothing. What a broken run moved already stands there.
    """
    check_name = f"{current.stem}.CHK"
    outgoing = f"outgoing/{current.feed}"
    if _digest(transport, f"{outgoing}/{check_name}") == current.check_digest:
        check_target = target.removesuffix(current.file_name) + check_name
        for name, place in ((current.file_name, target), (check_name, check_target)):
            if not transport.exists(place) and transport.exists(f"{outgoing}/{name}"):
                transport.rename(f"{outgoing}/{name}", place)
    if transport.exists(target):
        return []
    return [
        f"E206 {current.stem}: expected the judged file in {outgoing} to be moved to {target}, found it gone or "
        f"replaced on the server; our copy stands{f' in {current.kept_in}' if current.kept_in else ''}"
    ]


def _digest(transport: Transport, path: str) -> str | None:
    """The sha256 of a small file on the server, or None where it is not there."""
    digest = hashlib.sha256()
    try:
        transport.read(path, digest.update)
    except RemoteMissingError:
        return None
    return digest.hexdigest()


def _answer(site: Site, transport: Transport, current: Offering) -> None:
    receipts = f"receipt/{current.feed}/{current.stem}"
    if current.rejected:
        transport.write(f"{receipts}.REJ", reject_file(kept_rejects(site, current)))
    transport.write(f"{receipts}.RCP", receipt_line(current))
    if current.code in ASKS_FOR_RESEND:
        assert current.judged_at is not None, "only judged batches are answered"
        request_resend(site, transport, current.name, current.code, current.reason or "", current.judged_at)


def kept_rejects(site: Site, current: Offering) -> StagedPaths:
    """Where the rejects of a judged batch stand: beside its staged rows, or in quarantine."""
    if current.state is State.REFUSED:
        assert current.kept_in is not None
        directory = site.home.root / current.kept_in
        return StagedPaths(directory / f"{current.stem}.parquet", directory / f"{current.stem}.rejects.parquet")
    return site.staged_paths(current.name, cycle_day(site, current))


def _check_backup(site: Site, transport: Transport, directory: str, files: list[tuple[Offering, str]]) -> list[str]:
    """E206: the server's backup and our copy both hold as many bytes as the check file said."""
    sizes = {entry.name: entry.size for entry in transport.list(directory)}
    alarms = []
    for current, name in files:
        if current.bytes is None or current.kept_in is None or name not in sizes:
            continue  # a duplicate has no copy of its own; one that was not moved was told already
        ours = site.home.root / current.kept_in / current.file_name
        our_size = ours.stat().st_size if ours.exists() else None
        if sizes.get(name) != current.bytes or our_size != current.bytes:
            alarms.append(
                f"E206 {current.stem}: expected {current.bytes} bytes in {directory}/{name} on the server and in "
                f"{current.kept_in} here, found {sizes.get(name)} and {our_size}; run 'tierline backups verify'"
            )
    return alarms
