"""The life of a delivery: which list a receiver is to have, has, or was to have; every change with its event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from pipelines.ledger.offerings import Change
from pipelines.ledger.tables import delivery, delivery_event
from pipelines.names import BatchName, parse_stem


class DeliveryState(StrEnum):
    """States of a delivery; the last three are what the receiver's receipt says."""

    DUE = "due"
    SENDING = "sending"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    PARTIAL = "partial"
    REFUSED = "refused"


OPEN = (DeliveryState.DUE, DeliveryState.SENDING, DeliveryState.FAILED)
SENT = (DeliveryState.DELIVERED, DeliveryState.ACCEPTED, DeliveryState.PARTIAL, DeliveryState.REFUSED)


@dataclass(frozen=True)
class Delivery:
    """One row of the ledger's `delivery` table; times mean Asia/Shanghai."""

    receiver: str
    stem: str
    publication_id: str
    state: DeliveryState
    attempts: int
    placed: int
    bytes: int | None
    digest: str | None
    first_attempt_at: datetime | None
    last_attempt_at: datetime | None
    delivered_at: datetime | None
    receipt_digest: str | None
    message: str | None

    @property
    def name(self) -> BatchName:
        name = parse_stem(self.stem)
        assert name is not None, "we name our lists by the grammar"
        return name

    @property
    def subject(self) -> str:
        """What an alarm about this delivery alone is about."""
        return f"{self.receiver} {self.stem}"


_COLUMNS = [delivery.c[field.name] for field in fields(Delivery)]


def find(connection: Connection, *conditions: Any) -> list[Delivery]:
    """Deliveries that meet SQLAlchemy conditions on the table, by receiver and stem."""
    query = select(*_COLUMNS).where(*conditions).order_by(delivery.c.receiver, delivery.c.stem)
    rows = (dict(row._mapping) for row in connection.execute(query))
    return [Delivery(**(row | {"state": DeliveryState(row["state"])})) for row in rows]


def deliveries(connection: Connection) -> list[Delivery]:
    """Every delivery that was ever due."""
    return find(connection)


def get(connection: Connection, current: Delivery) -> Delivery:
    """The delivery as it is now."""
    return find(connection, *_is(current))[0]


def of_receiver(connection: Connection, receiver: str, states: Iterable[DeliveryState]) -> list[Delivery]:
    """The deliveries to one receiver that are in some state."""
    return find(connection, delivery.c.receiver == receiver, delivery.c.state.in_(list(states)))


def note_due(connection: Connection, receiver: str, stem: str, publication_id: str, change: Change) -> None:
    """Note that a receiver is to have a list, of which nothing is known for it yet."""
    key = {"receiver": receiver, "stem": stem}
    connection.execute(insert(delivery).values(key | {"publication_id": publication_id, "state": DeliveryState.DUE}))
    connection.execute(insert(delivery_event).values(key | {"state": DeliveryState.DUE} | vars(change)))


def move(connection: Connection, current: Delivery, state: DeliveryState, change: Change, **values: Any) -> None:
    """Change the state of a delivery and note it, `values` with it.

    What fails again as it failed before is no news: a receiver that is down for a day leaves one event, not hundreds.
    """
    connection.execute(update(delivery).where(*_is(current)).values(state=state, **values))
    if state is not DeliveryState.FAILED or change.cause != _last_cause(connection, current, state):
        key = {"receiver": current.receiver, "stem": current.stem}
        connection.execute(insert(delivery_event).values(key | {"state": state} | vars(change)))


def begin(connection: Connection, current: Delivery, digest: str, size: int, change: Change) -> Delivery:
    """Note that a list is being sent; what was placed of other bytes, in another encoding, counts for nothing."""
    placed = current.placed if current.digest == digest else 0
    values = {"placed": placed, "digest": digest, "bytes": size, **attempt(current, change.at)}
    connection.execute(update(delivery).where(*_is(current)).values(state=DeliveryState.SENDING, **values))
    return get(connection, current)


def attempt(current: Delivery, at: datetime) -> dict[str, Any]:
    """The columns that tell of one more attempt."""
    first = current.first_attempt_at or at
    return {"attempts": current.attempts + 1, "first_attempt_at": first, "last_attempt_at": at}


def note_placed(connection: Connection, current: Delivery, placed: int) -> None:
    """Note that so many of its files stand at the receiver under their names."""
    connection.execute(update(delivery).where(*_is(current)).values(placed=placed))


def history(connection: Connection, stem: str) -> list[dict[str, Any]]:
    """The changes of state of a list's deliveries to all receivers, oldest first."""
    query = select(delivery_event).where(delivery_event.c.stem == stem).order_by(delivery_event.c.event_id)
    return [dict(row._mapping) for row in connection.execute(query)]


def _last_cause(connection: Connection, current: Delivery, state: DeliveryState) -> str | None:
    query = (
        select(delivery_event.c.state, delivery_event.c.cause)
        .where(delivery_event.c.receiver == current.receiver, delivery_event.c.stem == current.stem)
        .order_by(delivery_event.c.event_id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return row.cause if row is not None and row.state == state else None


def _is(current: Delivery) -> list[Any]:
    return [delivery.c.receiver == current.receiver, delivery.c.stem == current.stem]
