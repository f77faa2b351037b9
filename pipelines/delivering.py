"""published → delivered: lists to their receivers, all receivers at once; what fails is tried again by the next run.

The ledger says what is due, so a run that was broken off goes on, and two at once do not meet: whoever comes second to
a receiver leaves it to the other.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pipelines.config import ReceiverConfig
from pipelines.delivery.due import Catalogue, Waiting, Wanted, listed, series, settle_due
from pipelines.delivery.files import list_files
from pipelines.delivery.receipts import Answer, Receipts, awaited, read_receipts, settle_overdue
from pipelines.delivery.sending import OtherBytesError, send_list
from pipelines.errors import ConfigurationError, StoreError, TierlineError, TransferError
from pipelines.lanes import GONE
from pipelines.ledger import deliveries
from pipelines.ledger.alarms import Kind, clear_alarm, open_subjects, raise_alarm
from pipelines.ledger.deliveries import OPEN, Delivery, DeliveryState
from pipelines.ledger.publications import publications
from pipelines.polling import Tally
from pipelines.site import Site
from pipelines.transfer.base import Transport
from pipelines.transfer.steady import steady

_RECEIVERS_AT_ONCE = 32
_NAMED = 3  # lists of a message
EVERYTHING = Wanted()


@dataclass
class Delivered:
    """What deliveries came to. `errors`: receivers that something failed of, each with a sentence a list or cause."""

    done: list[Delivery] = field(default_factory=list)
    failed: list[Delivery] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)  # receivers, and what their receipts are instead
    busy: list[str] = field(default_factory=list)  # receivers that another process delivers to right now
    errors: dict[str, list[str]] = field(default_factory=dict)
    superseded: int = 0

    def add(self, other: Delivered) -> None:
        for name in ("done", "failed", "waiting", "answers", "unreadable", "busy"):
            getattr(self, name).extend(getattr(other, name))
        self.errors |= other.errors


def deliver(site: Site, wanted: Wanted = EVERYTHING, progress: Callable[[int, int], None] | None = None) -> Delivered:
    """Deliver what is due, and read receipts; a receiver that fails does not keep the others.

    Raises UsageError where what is wanted again is no list that was published.
    """
    site.config.workers.require_warehouse("deliver")  # lists stand where they are published
    total, tally = Delivered(superseded=settle_due(site, wanted)), Tally(progress)
    names = [name for name in site.config.receivers if not wanted.receivers or name in wanted.receivers]
    if not names:
        return total
    with site.ledger.reading() as connection:
        catalogue = Catalogue(listed(publications(connection)))

    def deliver_to(name: str) -> Delivered:
        with site.lock(f"deliver-{name}") as mine:
            if not mine:
                return Delivered(busy=[name])
            return _Delivery(site, site.config.receivers[name], catalogue, wanted, tally).run()

    with ThreadPoolExecutor(_RECEIVERS_AT_ONCE) as threads:
        for part in threads.map(deliver_to, names):
            total.add(part)
    return total


class _Delivery:
    """One receiver's turn: one connection, a full list before its increment; a list that fails keeps no other."""

    def __init__(
        self, site: Site, receiver: ReceiverConfig, catalogue: Catalogue, wanted: Wanted, tally: Tally
    ) -> None:
        self._site = site
        self._receiver = receiver
        self._catalogue = catalogue
        self._wanted = wanted
        self._tally = tally
        self._result = Delivered()
        self._receipts = Receipts()
        self._is_in_trouble = False

    def run(self) -> Delivered:
        with self._site.ledger.reading() as connection:
            found = deliveries.of_receiver(connection, self._receiver.receiver, OPEN)
        left = [each for each in found if self._wanted.has(each)]  # by stem: F comes before I
        self._tally.expect(len(left))
        try:
            self._exchange(left)
        except (TransferError, ConfigurationError) as error:
            self._fail(left, error)  # there is no connection, or none any more: none of the others would go
        self._settle_alarms()
        self._result.answers += self._receipts.answers
        self._result.unreadable += [(self._receiver.receiver, text) for text in self._receipts.unreadable.values()]
        return self._result

    def _exchange(self, left: list[Delivery]) -> None:
        """Deliver what is left to do, which gets shorter by it. Raises TransferError where the connection is gone."""
        if not left and not awaited(self._site, self._receiver):
            return
        with steady(self._receiver.with_secret()) as transport:
            self._try_all(transport, left)
            self._receipts = read_receipts(self._site, transport, self._receiver)
            if self._receipts.answers:  # that to a full list may be what an increment waits for
                left += [each.delivery for each in self._result.waiting]
                self._result.waiting = []
                self._try_all(transport, left)

    def _try_all(self, transport: Transport, left: list[Delivery]) -> None:
        while left:
            self._try(transport, left[0])
            self._tally.advance(1)
            left.pop(0)

    def _try(self, transport: Transport, current: Delivery) -> None:
        with self._site.ledger.reading() as connection:
            waiting = self._catalogue.waits(connection, current)
        if waiting is not None:
            self._result.waiting.append(waiting)
            return
        try:
            self._send(transport, current)
        except GONE:
            raise
        except (TransferError, StoreError) as error:
            self._fail([current], error)
        else:
            self._result.done.append(current)

    def _send(self, transport: Transport, current: Delivery) -> None:
        name, ledger = current.name, self._site.ledger
        with ledger.reading() as connection:
            cycle = self._catalogue.named_at_end(connection, current)
        files = list_files(self._site.home.publish / name.feed, name, cycle, self._receiver.encoding)
        change = self._site.change("sent")
        with ledger.transaction() as connection:
            current = deliveries.begin(connection, current, f"sha256:{files.data.digest}", files.data.size, change)

        def note(placed: int) -> None:
            with ledger.transaction() as connection:
                deliveries.note_placed(connection, current, placed)

        is_new = send_list(transport, name, files, current.placed, note, replace=self._wanted.replace)
        self._note_delivered(current, stood_there=current.placed == 0 and not is_new)

    def _note_delivered(self, current: Delivery, *, stood_there: bool) -> None:
        """Where nothing was sent the receiver has nothing new to answer: its receipt of before speaks for it."""
        at = self._site.now
        digest = None if stood_there else current.receipt_digest
        change = self._site.change(f"data, check and end file stand at {self._receiver.receiver}")
        with self._site.ledger.transaction() as connection:
            values = {"delivered_at": at, "message": None, "receipt_digest": digest}
            deliveries.move(connection, current, DeliveryState.DELIVERED, change, **values)
            clear_alarm(connection, Kind.DELIVERY, current.subject, at)
            for subject in open_subjects(connection, Kind.RECEIPT):  # the newer list is what the receiver goes by
                if subject.startswith(f"{current.receiver} {series(current.name)}") and subject <= current.subject:
                    clear_alarm(connection, Kind.RECEIPT, subject, at)

    def _fail(self, lists: list[Delivery], error: TierlineError) -> None:
        """Note that lists were not delivered; one alarm a receiver, or a list where the cause is its alone."""
        message = str(error)
        if isinstance(error, OtherBytesError):
            message += f": '{_replacing(lists[0])}'"
        is_its_own = isinstance(error, OtherBytesError | StoreError)
        with self._site.ledger.transaction() as connection:
            for each in lists:
                now = deliveries.get(connection, each)
                counted = {} if now.state is DeliveryState.SENDING else deliveries.attempt(now, self._site.now)
                change = self._site.change(message)
                deliveries.move(connection, now, DeliveryState.FAILED, change, message=message, **counted)
            subject = lists[0].subject if is_its_own else self._receiver.receiver
            raise_alarm(connection, Kind.DELIVERY, subject, f"{_named(lists)}: {message}", self._site.now)
        self._is_in_trouble |= not is_its_own
        self._result.failed += lists
        self._result.errors.setdefault(self._receiver.receiver, []).append(f"{_named(lists)}: {message}")

    def _settle_alarms(self) -> None:
        """What came through clears the receiver's alarm; receipts that did not come in time raise theirs."""
        receiver = self._receiver.receiver
        settle_overdue(self._site, self._receiver, self._receipts.unreadable)
        with self._site.ledger.reading() as connection:
            is_open = receiver in open_subjects(connection, Kind.DELIVERY)
            left = {each.state for each in deliveries.of_receiver(connection, receiver, OPEN)}
        is_through = self._result.done and DeliveryState.FAILED not in left  # others may not have been wanted now
        if is_open and not self._is_in_trouble and (is_through or not left):
            with self._site.ledger.transaction() as connection:
                clear_alarm(connection, Kind.DELIVERY, receiver, self._site.now)


def _replacing(current: Delivery) -> str:
    name = current.name
    of = f"--receiver {current.receiver} --list {name.feed} --source {name.source} --cycle {name.cycle}"
    return f"tierline deliver {of} --again --replace"


def _named(lists: list[Delivery]) -> str:
    if not lists:
        return "its receipts"
    more = f" and {len(lists) - _NAMED} more" if len(lists) > _NAMED else ""
    return ", ".join(each.stem for each in lists[:_NAMED]) + more
