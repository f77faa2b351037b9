"""What receivers answer: `receipt/<LIST>/<stem>.RCP` on their server, which stays there (file interface, section 7)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from pipelines.check_files import Unreadable
from pipelines.config import ReceiverConfig
from pipelines.delivery.due import series
from pipelines.errors import TransferError
from pipelines.ledger import deliveries
from pipelines.ledger.alarms import Kind, clear_alarm, raise_alarm, settle_alarms
from pipelines.ledger.deliveries import SENT, Delivery, DeliveryState
from pipelines.ledger.tables import delivery
from pipelines.plain_text import ACCESS_NAME, plain, quoted
from pipelines.site import Site
from pipelines.transfer.base import RemoteMissingError, Transport, small_contents

_MOST = 4 << 10  # bytes of a receipt
_TOGETHER = 32
_FIELDS = "name|status|records|loaded|rejected|code|reason|time"
_LONGEST = 200  # characters of a reason
_NUMBER = re.compile(rf"{ACCESS_NAME}|[0-9]{{9,}}")
_STATES = {
    "ACCEPTED": DeliveryState.ACCEPTED,
    "DUPLICATE": DeliveryState.ACCEPTED,  # it had the list already
    "PARTIAL": DeliveryState.PARTIAL,
    "REFUSED": DeliveryState.REFUSED,
}


@dataclass(frozen=True)
class Answer:
    """What a receipt says of a delivery."""

    delivery: Delivery
    state: DeliveryState
    digest: str
    message: str


@dataclass(frozen=True)
class Receipts:
    """What was found. `unreadable`, by series: path, what was expected and found, of the newest that is there."""

    answers: list[Answer] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)


def awaited(site: Site, receiver: ReceiverConfig) -> list[Delivery]:
    """Deliveries whose receipt is still to come, as far back as missing cycles are watched.

    Also the newest of a series where it was not accepted: the receiver may mend the cause, and say so.
    """
    sent = _sent(site, receiver)
    newest = {series(each.name): each for each in sent}  # by stem: the last is the newest
    unmended = [each for each in newest.values() if each.state in (DeliveryState.PARTIAL, DeliveryState.REFUSED)]
    return [each for each in sent if each.state is DeliveryState.DELIVERED or each in unmended]


def read_receipts(site: Site, transport: Transport, receiver: ReceiverConfig) -> Receipts:
    """Take up the receipts that are there, and note what they say; one that cannot be read stays awaited.

    Raises TransferError where the connection is gone.
    """
    answers: list[Answer] = []
    unreadable: dict[str, tuple[str, str]] = {}
    waiting = awaited(site, receiver)
    for start in range(0, len(waiting), _TOGETHER):
        part = waiting[start : start + _TOGETHER]
        paths = [f"receipt/{each.name.feed}/{each.stem}.RCP" for each in part]
        for each, path, content in zip(part, paths, small_contents(transport, paths, _MOST), strict=True):
            if isinstance(content, RemoteMissingError):
                continue
            try:
                answer = _answer(each, content, receiver.encoding)
            except Unreadable as error:
                unreadable[series(each.name)] = each.stem, f"{path}: {error}"
            else:
                if answer is not None and _note(site, answer):
                    answers.append(answer)
    answered = _answered(_sent(site, receiver))
    return Receipts(answers, {of: text for of, (stem, text) in unreadable.items() if stem >= answered.get(of, "")})


def settle_overdue(site: Site, receiver: ReceiverConfig, unreadable: Mapping[str, str]) -> None:
    """One alarm a series of which a list had no receipt in time, nor any sent since; the next receipt clears it.

    What is sent in the meantime clears nothing: a receiver that never answers would be told of by nobody.
    """
    before = site.now - timedelta(seconds=receiver.receipt_within_s)
    lists: dict[str, list[Delivery]] = {}
    for each in _sent(site, receiver):
        lists.setdefault(series(each.name), []).append(each)
    overdue = {}
    for of, sent in lists.items():
        answered = _answered(sent).get(of, "")
        unanswered = [each for each in sent if each.state is DeliveryState.DELIVERED and each.stem >= answered]
        oldest = min(unanswered, key=lambda each: each.delivered_at or site.now, default=None)
        if oldest is not None and oldest.delivered_at is not None and oldest.delivered_at <= before:
            there = f" ({unreadable[of]})" if of in unreadable else ""
            overdue[_subject(receiver, of)] = (
                f"no receipt that can be read{there} came of {oldest.stem}, or of a list sent since, within "
                f"{receiver.receipt_within_s} s of {oldest.delivered_at}; ask the receiver"
            )
    covered = {_subject(receiver, of) for of in lists}
    with site.ledger.transaction() as connection:
        settle_alarms(connection, Kind.RECEIPT, overdue, covered.__contains__, site.now)


def _sent(site: Site, receiver: ReceiverConfig) -> list[Delivery]:
    """What a receiver that gives receipts was sent lately of the lists that it is to have, by stem."""
    if not receiver.receipts:
        return []
    since = site.now - timedelta(days=site.config.watch_days)
    of = (delivery.c.receiver == receiver.receiver, delivery.c.state.in_(SENT), delivery.c.delivered_at >= since)
    with site.ledger.reading() as connection:
        found = deliveries.find(connection, *of)
    return [each for each in found if each.name.feed in receiver.lists and each.name.source in receiver.sources]


def _answered(sent: Iterable[Delivery]) -> dict[str, str]:
    """Of each series the newest stem that the receiver gave a receipt of."""
    return {series(each.name): each.stem for each in sent if each.receipt_digest}


def _subject(receiver: ReceiverConfig, of: str) -> str:
    return f"{receiver.receiver} {of.removesuffix('_')}"


def _answer(each: Delivery, content: bytes | TransferError | None, encoding: str) -> Answer | None:
    """None where it is that of an earlier delivery of this list. Raises Unreadable."""
    if isinstance(content, TransferError):
        raise Unreadable(f"expected a file that we may read, found {content}")
    if content is None:
        raise Unreadable(f"expected at most {_MOST} bytes, found more")
    digest = hashlib.sha256(content).hexdigest()
    if digest == each.receipt_digest:
        return None
    status, records, loaded, rejected, code, reason = _parts(each, _text(content, encoding))
    said = " ".join(part for part in (status, code, reason[:_LONGEST]) if part)
    counts = f"{records or '?'} records, {loaded or '?'} loaded, {rejected or '?'} rejected"
    return Answer(each, _STATES[status], digest, _without_numbers(f"{said} ({counts})"))


def _text(content: bytes, encoding: str) -> str:
    """A reason may be written as the receiver's lists are."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode(encoding, "replace")


def _parts(each: Delivery, text: str) -> list[str]:
    """What stands between name and time."""
    name, *parts = text.rstrip("\r\n").split("|")
    if len(parts) != _FIELDS.count("|"):
        raise Unreadable(f"expected one line {_FIELDS}, found {quoted(text)}")
    if name not in (f"{each.stem}.DAT", f"{each.stem}.DAT.gz"):
        raise Unreadable(f"expected the name {each.stem}.DAT, found {quoted(name)}")
    if parts[0] not in _STATES:
        raise Unreadable(f"expected the status {', '.join(_STATES)}, found {quoted(parts[0])}")
    return parts[:-1]


def _without_numbers(text: str) -> str:
    """What others write may quote a subscriber; the ledger, alarms and logs hold no full number."""
    return _NUMBER.sub(lambda found: f"{found[0][:3]}****{found[0][-4:]}", plain(" ".join(text.split())))


def _note(site: Site, answer: Answer) -> bool:
    """False where another process noted it, or sends the list again."""
    current = answer.delivery
    with site.ledger.transaction() as connection:
        if deliveries.get(connection, current) != current:
            return False
        change = site.change(f"receipt: {answer.message}")
        values = {"receipt_digest": answer.digest, "message": answer.message}
        deliveries.move(connection, current, answer.state, change, **values)
        clear_alarm(connection, Kind.RECEIPT, current.subject, site.now)
        if answer.state is DeliveryState.REFUSED:
            raise_alarm(connection, Kind.RECEIPT, current.subject, f"the receiver says {answer.message}", site.now)
    return True
