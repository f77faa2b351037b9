"""Which lists a receiver is to have: of every list and source the newest that was published, and nothing older."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from pipelines.config import ReceiverConfig
from pipelines.errors import UsageError
from pipelines.ledger import deliveries
from pipelines.ledger.alarms import Kind, clear_alarm, open_subjects
from pipelines.ledger.deliveries import OPEN, SENT, Delivery, DeliveryState
from pipelines.ledger.publications import Publication, last_publication, publications, regular
from pipelines.ledger.tables import delivery
from pipelines.names import BatchName, CycleKey
from pipelines.site import Scope, Site

_MONTH_DIGITS = 6  # a cycle of so many digits is a month: a list of months is due for each of them


@dataclass(frozen=True)
class Wanted:
    """What is to be delivered: which receivers, and of which lists (`feeds`), sources and cycles; empty means all.

    `again`: what was delivered before, too; `replace`: over whatever stands there under the name.
    """

    receivers: tuple[str, ...] = ()
    scope: Scope = field(default_factory=Scope)
    again: bool = False
    replace: bool = False

    def has(self, current: Delivery) -> bool:
        name = current.name
        return self.scope.has(name.source, name.feed, name.cycle)


@dataclass(frozen=True)
class Listed:
    """A list of one source that receivers may have; `turn` numbers the publication that it came with."""

    name: BatchName
    records: int
    publication_id: str
    turn: int


@dataclass(frozen=True)
class Waiting:
    """An increment that waits for a full list that the receiver has not, or does not take."""

    delivery: Delivery
    full: str  # its stem
    is_refused: bool


def series(name: BatchName) -> str:
    """What the stems begin with in whose place a newer one is delivered."""
    common = f"{name.feed}_{name.source}_{name.mode}_"
    return f"{common}{name.cycle}_" if len(name.cycle) == _MONTH_DIGITS else common


def listed(found: Iterable[Publication]) -> list[Listed]:
    """Every list that may go to receivers."""
    lists: dict[str, Listed] = {}
    for turn, each in enumerate(regular(each for each in found if each.state == "published")):
        for record in each.lists:
            if record.stem not in lists:
                lists[record.stem] = Listed(record.name, record.records, each.publication_id, turn)
    return list(lists.values())


def newest(lists: Iterable[Listed], *, of_each_cycle: bool = False) -> list[Listed]:
    """Of every list, source and mode the newest cycle's newest SEQ and version.

    Of a list of months, and with `of_each_cycle` of any full one, the newest of every cycle. Increments rest on the
    last full list: those that came before it are out of date with it.
    """
    found: dict[str, Listed] = {}
    for each in sorted(lists, key=lambda each: each.name):
        is_apart = of_each_cycle and each.name.mode == "F"
        found[str(each.name.cycle_key) if is_apart else series(each.name)] = each
    full: dict[tuple[str, str], int] = {}
    for each in found.values():
        if each.name.mode == "F":
            key = (each.name.feed, each.name.source)
            full[key] = max(each.turn, full.get(key, 0))
    kept = [
        each
        for each in found.values()
        if each.name.mode == "F" or each.turn >= full.get((each.name.feed, each.name.source), 0)
    ]
    return sorted(kept, key=lambda each: each.name)


def settle_due(site: Site, wanted: Wanted) -> int:
    """Note what receivers are to have that they have not; what a newer list took the place of is superseded.

    Returns how many were superseded. Raises UsageError where what is wanted again is no list that was published.
    """
    receivers = site.config.receivers
    with site.ledger.reading() as connection:
        last, lists = last_publication(connection), listed(publications(connection))
    present = newest(lists)
    with site.ledger.transaction() as connection:
        if last_publication(connection) != last:  # one came, or was published, meanwhile
            lists = listed(publications(connection))
            present = newest(lists)
        due = {name: _due_to(site, connection, receiver, present) for name, receiver in receivers.items()}
        outdated = [
            each
            for each in deliveries.find(connection, delivery.c.state.in_(OPEN))
            if each.stem not in due.get(each.receiver, ())
        ]
        for each in outdated:
            cause = "a newer list took its place, or the receiver is to have it no longer"
            deliveries.move(connection, each, DeliveryState.SUPERSEDED, site.change(cause))
            clear_alarm(connection, Kind.DELIVERY, each.subject, site.now)
        for kind in (Kind.DELIVERY, Kind.RECEIPT):
            for subject in open_subjects(connection, kind):
                if not _is_of_interest(receivers, kind, subject):
                    clear_alarm(connection, kind, subject, site.now)
        if wanted.again:
            chosen = newest(lists, of_each_cycle=bool(wanted.scope.cycles))
            names = wanted.receivers or receivers
            if not sum([_make_due_again(site, connection, receivers[name], chosen, wanted) for name in names]):
                raise UsageError(
                    "--again: expected a published list that the receiver is to have, found none of that list, source "
                    "and cycle; 'tierline deliveries' shows which there are, 'tierline.yaml' what a receiver gets"
                )
    return len(outdated)


def _is_of_interest(receivers: Mapping[str, ReceiverConfig], kind: Kind, subject: str) -> bool:
    """Whether a receiver is still to have the list that an alarm is about, or still to give receipts."""
    name, _, stem = subject.partition(" ")
    if name not in receivers or not stem:
        return name in receivers
    receiver, (feed, source, *_) = receivers[name], stem.split("_")
    return feed in receiver.lists and source in receiver.sources and (receiver.receipts or kind is not Kind.RECEIPT)


class Catalogue:
    """All lists that receivers may have."""

    def __init__(self, lists: Iterable[Listed]) -> None:
        self._by_cycle: dict[CycleKey, list[Listed]] = {}
        self._full: dict[str, str] = {}
        for each in sorted(lists, key=lambda each: each.name):
            self._by_cycle.setdefault(each.name.cycle_key, []).append(each)
            if each.name.mode == "F":
                self._full[series(each.name)] = each.name.stem

    def named_at_end(self, connection: Connection, last: Delivery) -> list[Listed]:
        """What the end file of a cycle names once `last` is there: of each SEQ the newest version at the receiver."""
        former = [each for each in self._by_cycle[last.name.cycle_key] if each.name <= last.name]
        rows = _rows(connection, last.receiver, [each.name.stem for each in former])
        had = {each.stem for each in rows if each.delivered_at is not None} | {last.stem}
        return list({each.name.seq: each for each in former if each.name.stem in had}.values())

    def waits(self, connection: Connection, current: Delivery) -> Waiting | None:
        """Whether this is an increment, and the receiver has not yet the newest full list, or refused it."""
        if current.name.mode == "F":
            return None
        full = self._full.get(series(replace(current.name, mode="F")), "")
        states = {each.state for each in _rows(connection, current.receiver, [full])}
        is_refused = DeliveryState.REFUSED in states
        return Waiting(current, full, is_refused) if is_refused or not states & set(SENT) else None


def _rows(connection: Connection, receiver: str, stems: list[str]) -> list[Delivery]:
    return deliveries.find(connection, delivery.c.receiver == receiver, delivery.c.stem.in_(stems))


def _of(receiver: ReceiverConfig, lists: Iterable[Listed]) -> list[Listed]:
    return [each for each in lists if each.name.feed in receiver.lists and each.name.source in receiver.sources]


def _due_to(site: Site, connection: Connection, receiver: ReceiverConfig, present: list[Listed]) -> set[str]:
    """The stems that a receiver is to have, all of which the ledger knows afterwards."""
    due = _of(receiver, present)
    _make_due(site, connection, receiver, due, "published as {}", (DeliveryState.SUPERSEDED,))
    return {each.name.stem for each in due}


def _make_due_again(
    site: Site, connection: Connection, receiver: ReceiverConfig, lists: list[Listed], wanted: Wanted
) -> int:
    """Make what was delivered due once more, as far as it is asked for; gives how many lists that is."""
    mine = _of(receiver, lists)
    chosen = [each for each in mine if wanted.scope.has(each.name.source, each.name.feed, each.name.cycle)]
    _make_due(site, connection, receiver, chosen, "delivered again on demand", (*SENT, DeliveryState.SUPERSEDED))
    return len(chosen)


def _make_due(
    site: Site, connection: Connection, receiver: ReceiverConfig, lists: list[Listed], cause: str,
    former: tuple[DeliveryState, ...],
) -> None:  # fmt: skip
    """Note lists as due that the ledger does not know, or knows in one of the `former` states."""
    rows = _rows(connection, receiver.receiver, [each.name.stem for each in lists])
    known = {each.stem: each for each in rows}
    for each in lists:
        stem, change = each.name.stem, site.change(cause.format(each.publication_id))
        if stem not in known:
            deliveries.note_due(connection, receiver.receiver, stem, each.publication_id, change)
        elif known[stem].state in former:
            deliveries.move(connection, known[stem], DeliveryState.DUE, change, placed=0)
