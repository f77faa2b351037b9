"""What receivers answer: `receipt/<LIST>/<stem>.RCP` on their server, which stays there (file interface, section 7)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from pipelines.config import ReceiverConfig
from pipelines.delivery.due import series
from pipelines.errors import TransferError
from pipelines.ledger import deliveries
from pipelines.ledger.alarms import Kind, clear_alarm, raise_alarm
from pipelines.ledger.deliveries import SENT, Delivery, DeliveryState
from pipelines.ledger.tables import delivery
from pipelines.plain_text import plain
from pipelines.site import Site
from pipelines.transfer.base import RemoteMissingError, Transport, small_contents

_MOST = 4 << 10  # bytes of a receipt
_TOGETHER = 32
_FIELDS = 8
_LONGEST = 200  # characters of a reason
_NUMBER = re.compile("[0-9]{9,}")
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


def awaited(site: Site, receiver: ReceiverConfig) -> list[Delivery]:
    """Deliveries whose receipt is still to come, as far back as missing cycles are watched."""
    if not receiver.receipts:
        return []
    since = site.now - timedelta(days=site.config.watch_days)
    with site.ledger.reading() as connection:
        return deliveries.find(
            connection,
            delivery.c.receiver == receiver.receiver,
            delivery.c.state == DeliveryState.DELIVERED,
            delivery.c.delivered_at >= since,
        )


def read_receipts(site: Site, transport: Transport, waiting: list[Delivery]) -> tuple[list[Answer], list[str]]:
    """Take up the receipts that are there, and note what they say; beside them why others could not be read.

    Those stay awaited. Raises TransferError where the connection is gone.
    """
    answers, errors = [], []
    for start in range(0, len(waiting), _TOGETHER):
        part = waiting[start : start + _TOGETHER]
        paths = [f"receipt/{each.name.feed}/{each.stem}.RCP" for each in part]
        for each, content in zip(part, small_contents(transport, paths, _MOST), strict=True):
            if isinstance(content, RemoteMissingError):
                continue
            if isinstance(content, TransferError):
                errors.append(str(content))
                continue
            answer = _answer(each, content or b"")
            if answer is not None and _note(site, answer):
                answers.append(answer)
    return answers, errors


def settle_overdue(site: Site, receiver: ReceiverConfig, waiting: Iterable[Delivery]) -> None:
    """Raise an alarm for every list of which no receipt came in time, unless a newer one was sent since."""
    before = site.now - timedelta(seconds=receiver.receipt_within_s)
    late = [each for each in waiting if each.delivered_at is not None and each.delivered_at <= before]
    if late:
        with site.ledger.reading() as connection:
            sent = deliveries.of_receiver(connection, receiver.receiver, SENT)
        newest = {series(each.name): each.stem for each in sent}  # by stem: the last is the newest
        late = [each for each in late if newest[series(each.name)] == each.stem]
        with site.ledger.transaction() as connection:
            for each in late:
                within = f"within {receiver.receipt_within_s} s of {each.delivered_at}"
                message = f"no receipt that can be read came {within}; ask the receiver"
                raise_alarm(connection, Kind.RECEIPT, each.subject, message, site.now)


def _answer(each: Delivery, content: bytes) -> Answer | None:
    """None where it is that of an earlier delivery of this list, or none that can be read."""
    digest = hashlib.sha256(content).hexdigest()
    parts = content.decode("utf-8", "replace").rstrip("\r\n").split("|")
    names = (f"{each.stem}.DAT", f"{each.stem}.DAT.gz")
    if digest == each.receipt_digest or len(parts) != _FIELDS or parts[0] not in names or parts[1] not in _STATES:
        return None
    _, status, records, loaded, rejected, code, reason, _ = parts
    said = " ".join(part for part in (status, code, reason[:_LONGEST]) if part)
    counts = f"{records or '?'} records, {loaded or '?'} loaded, {rejected or '?'} rejected"
    return Answer(each, _STATES[status], digest, _without_numbers(f"{said} ({counts})"))


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
