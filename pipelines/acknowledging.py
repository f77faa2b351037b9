"""What the producer gets to know: the file moved to backup/, its receipt, its rejects, a request to send again.

Every step can be made twice without harm: a receipt says the same again, and a move that was made is not made anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from pipelines.check_files import MAX_BYTES, CheckDigest
from pipelines.checks.staging import RejectLines
from pipelines.clock import compact
from pipelines.errors import LostRejectsError, TransferError
from pipelines.faults import fault_point
from pipelines.lanes import GONE
from pipelines.ledger import offerings
from pipelines.ledger.offerings import ACCEPTED, Offering, State
from pipelines.ledger.tables import offering
from pipelines.rejects import has_rejects, kept_rejects
from pipelines.resends import ASKS_FOR_RESEND, request_resend
from pipelines.server_copies import alarm_gone, check_backup
from pipelines.site import Scope, Site, cycle_day
from pipelines.transfer.base import RemoteMissingError, TargetExistsError, Transport, first_bytes


@dataclass
class Acknowledged:
    """Stems that were acknowledged, and alarms: what stands otherwise than it must (E206)."""

    stems: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)  # batches, feeds and requests that the server said no to

    @contextmanager
    def noting_errors(self) -> Iterator[None]:
        """What the server says no to keeps nothing that comes after it; a connection that is gone for good does."""
        try:
            yield
        except GONE:
            raise
        except TransferError as error:
            self.errors.append(str(error))


def due_for_acknowledgement(site: Site, source: str, scope: Scope) -> list[Offering]:
    """Judged batches of a source within a scope whose producer does not know yet; discarded ones first.

    What was discarded makes way for what came in its place.
    """
    with site.ledger.reading() as connection:
        found = offerings.find(connection, offerings.awaiting_acknowledgement(source))
    found.sort(key=lambda each: (each.state is not State.DISCARDED, each.offering_id))
    return [each for each in found if scope.has(each.source, each.feed, each.cycle)]


def acknowledge_feed(site: Site, transport: Transport, feed: str, due: list[Offering]) -> Acknowledged:
    """Move each batch of one feed on the server, write its receipt, and note that it was done. Raises TransferError."""
    done = Acknowledged()
    moved: dict[str, list[tuple[Offering, str]]] = {}
    outgoing = {entry.name for entry in transport.list(f"outgoing/{feed}")} if due else set()
    for current in due:
        try:
            others = _others(site, current)
            place = _Move(site, transport, current, outgoing, others).run()
            fault_point("backup")
            speaks = not any(each.state in ACCEPTED for each in others)
            if speaks or current.state is not State.DISCARDED:
                # The reject file stays while another stands: it is of that one, and nothing of it has changed.
                clears = speaks and (bool(others) or current.moved_to is not None)
                _answer(site, transport, current, clears=clears)
        except GONE:
            raise
        except (TransferError, LostRejectsError) as error:  # one batch does not keep the receipts of the others
            done.errors.append(str(error))
            continue
        fault_point("receipt")
        with site.ledger.transaction() as connection:
            if not offerings.acknowledge(connection, current, place, site.now):
                continue  # an operator was faster: it is answered anew
        done.stems.append(current.stem)
        if place is None and current.server_pruned_at is None:
            done.alarms.append(alarm_gone(site, current))
        elif place is not None:
            directory, _, name = place.rpartition("/")
            moved.setdefault(directory, []).append((current, name))
    for directory, files in moved.items():
        with done.noting_errors():  # they are acknowledged: 'backups verify' compares the copies once more
            done.alarms += check_backup(site, transport, directory, files)
    return done


def backup_path(site: Site, current: Offering) -> str:
    """Where the data file belongs on the server: `backup/<day>/<FEED>/`, what does not stand apart by time."""
    standing, apart = _places(site, current)
    is_standing = current.code is None and current.state not in (State.DUPLICATE, State.DISCARDED)
    return standing if is_standing else apart


def _places(site: Site, current: Offering) -> tuple[str, str]:
    directory = f"backup/{cycle_day(site, current):%Y%m%d}/{current.feed}"
    apart = f"{directory}/refused/{compact(current.taken_at)}-{current.file_name}"
    return f"{directory}/{current.file_name}", apart


def check_path(current: Offering, data_path: str) -> str:
    """Where the check file of a batch stands, beside its data file."""
    return data_path.removesuffix(current.file_name) + f"{current.stem}.CHK"


def receipt_line(current: Offering) -> bytes:
    """`name|status|records|loaded|rejected|code|reason|time`; counts are empty where they are not known."""
    if current.state is State.DUPLICATE:
        status = "DUPLICATE"
    elif current.code is not None or current.state is State.DISCARDED:
        status = "REFUSED"
    else:
        status = "PARTIAL" if current.rejected else "ACCEPTED"
    reason = (current.reason or "").replace("|", "/").replace("\n", " ")
    assert current.judged_at is not None, "only judged batches have a receipt"
    counts = ["" if count is None else str(count) for count in (current.records, current.loaded, current.rejected)]
    parts = [current.file_name, status, *counts, current.code or "", reason, compact(current.judged_at)]
    return ("|".join(parts) + "\n").encode()


class _Move:
    """The move of a judged pair on the server: of that pair, and of no other that the producer put in its place."""

    def __init__(
        self, site: Site, transport: Transport, current: Offering, outgoing: set[str], others: list[Offering]
    ) -> None:
        self._transport = transport
        self._current = current
        self._outgoing = outgoing
        self._target = backup_path(site, current)
        # Where a verdict before this one may have put it, in a run that broke off before it noted so.
        taken = {self._target, None} | {other.moved_to for other in others}
        places = dict.fromkeys([current.moved_to, *_places(site, current)])
        self._former = [place for place in places if place is not None and place not in taken]

    def run(self) -> str | None:
        """Where the data file stands afterwards; None where it is gone."""
        if self._current.moved_to == self._target:
            return self._target
        check_name = f"{self._current.stem}.CHK"
        if check_name in self._outgoing and self._is_ours(f"outgoing/{self._current.feed}/{check_name}"):
            try:
                self._move(f"outgoing/{self._current.feed}/{self._current.file_name}")
            except TargetExistsError:
                # Moved by a run that was killed, and the same bytes have come again since: they are another offering.
                if not self._is_ours(check_path(self._current, self._target)):
                    raise
        else:
            for place in self._former:
                if self._is_ours(check_path(self._current, place)):
                    self._move(place)
        is_there = self._transport.exists(self._target) or self._is_listed(self._target)
        return self._target if is_there else None

    def _move(self, place: str) -> None:
        """The data file goes first: its check file alone announces nothing. It may have gone where the verdict was."""
        if place.startswith("backup/") or self._current.file_name in self._outgoing:
            self._rename(place, self._target)
        for data in self._former:
            if not self._transport.exists(self._target):
                self._rename(data, self._target)
        self._rename(check_path(self._current, place), check_path(self._current, self._target))

    def _rename(self, source: str, target: str) -> None:
        """What is gone by now is passed over."""
        try:
            self._transport.rename(source, target)
        except RemoteMissingError as error:
            self._require_gone(source, error)

    def _is_ours(self, path: str) -> bool:
        digest = CheckDigest()
        try:
            digest.update(first_bytes(self._transport, path, MAX_BYTES))
        except RemoteMissingError as error:
            self._require_gone(path, error)
            return False
        return digest.hexdigest() == self._current.check_digest

    def _require_gone(self, path: str, error: RemoteMissingError) -> None:
        """A server may say "no such file" of one that another program holds just now: its directory has the last word.

        What is not gone would be acknowledged as lost, and come again as a duplicate.
        """
        if self._is_listed(path):
            message = f"{path}: expected to read or move it, found it in its directory, but the server says: {error}"
            raise TransferError(f"{message}; 'tierline load' tries again") from error

    def _is_listed(self, path: str) -> bool:
        directory, _, name = path.rpartition("/")
        return any(entry.is_regular and entry.name == name for entry in self._transport.list(directory))


def _answer(site: Site, transport: Transport, current: Offering, *, clears: bool) -> None:
    """Receipt, rejects, request; `clears`: a reject file may be there of an offering or verdict before."""
    receipts = f"receipt/{current.feed}/{current.stem}"
    if current.state is not State.DISCARDED and has_rejects(site, current):
        transport.write(f"{receipts}.REJ", RejectLines(kept_rejects(site, current)))
    elif clears:
        with suppress(RemoteMissingError):  # most often there is none
            transport.remove(f"{receipts}.REJ")
    transport.write(f"{receipts}.RCP", [receipt_line(current)])
    if current.state is State.REFUSED and current.code in ASKS_FOR_RESEND:
        assert current.judged_at is not None, "only judged batches are answered"
        request_resend(site, transport, current.name, current.code, current.reason or "", current.judged_at)


def _others(site: Site, current: Offering) -> list[Offering]:
    """Further offerings of the same stem."""
    with site.ledger.reading() as connection:
        return offerings.find(
            connection, offering.c.stem == current.stem, offering.c.offering_id != current.offering_id
        )
