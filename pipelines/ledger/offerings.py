"""The life of an offering: every change of state in one place, each with its event and the alarm that it asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from pipelines.ledger.alarms import Kind, clear_alarm, raise_alarm
from pipelines.ledger.tables import event, offering
from pipelines.names import BatchName


class State(StrEnum):
    """States of a batch (file interface, section 6)."""

    ANNOUNCED = "announced"
    FETCHED = "fetched"
    VERIFIED = "verified"
    STAGED = "staged"
    LOADED = "loaded"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    DISCARDED = "discarded"


ON_ITS_WAY = (State.ANNOUNCED, State.FETCHED, State.VERIFIED)
STANDING = (State.STAGED, State.LOADED)
ACCEPTED = (*STANDING, State.SUPERSEDED)


@dataclass(frozen=True)
class Offering:
    """One row of the ledger's `offering` table; times mean Asia/Shanghai."""

    offering_id: int
    stem: str
    feed: str
    source: str
    mode: str
    cycle: str
    seq: str
    version: str
    file_name: str
    state: State
    code: str | None
    reason: str | None
    bytes: int | None
    digest: str | None
    check_digest: str | None
    records: int | None
    loaded: int | None
    rejected: int | None
    control_total: int | None
    control_loaded: int | None
    control_rejected: int | None
    kept_in: str | None
    moved_to: str | None
    staged_count: int
    limit_waived: str | None
    taken_at: datetime
    judged_at: datetime | None
    acknowledged_at: datetime | None
    server_pruned_at: datetime | None
    archive_pruned_at: datetime | None

    @property
    def name(self) -> BatchName:
        return BatchName(self.feed, self.source, self.mode, self.cycle, self.seq, self.version)


@dataclass(frozen=True)
class Change:
    """What is said with a change of state."""

    cause: str
    actor: str
    at: datetime


_COLUMNS = [offering.c[field.name] for field in fields(Offering)]


def _offering(row: Row[Any]) -> Offering:
    values = dict(row._mapping)
    return Offering(**(values | {"state": State(values["state"])}))


def find(connection: Connection, *conditions: Any) -> list[Offering]:
    """Offerings that meet SQLAlchemy conditions on the table, oldest first."""
    query = select(*_COLUMNS).where(*conditions).order_by(offering.c.offering_id)
    return [_offering(row) for row in connection.execute(query)]


def get(connection: Connection, offering_id: int) -> Offering:
    return find(connection, offering.c.offering_id == offering_id)[0]


def announce(connection: Connection, name: BatchName, file_name: str, change: Change) -> Offering | None:
    """Note that a batch lies on the server; None where an offering of its stem is on its way already.

    Offerings of one stem never share the second in which they were taken, for files on the server are named by it.
    """
    latest = connection.execute(select(func.max(offering.c.taken_at)).where(offering.c.stem == name.stem)).scalar()
    taken_at = change.at if latest is None else max(change.at, latest + timedelta(seconds=1))
    values = {
        "stem": name.stem, "feed": name.feed, "source": name.source, "mode": name.mode, "cycle": name.cycle,
        "seq": name.seq, "version": name.version, "file_name": file_name, "state": State.ANNOUNCED,
        "taken_at": taken_at,
    }  # fmt: skip
    try:
        with connection.begin_nested():
            result = connection.execute(insert(offering).values(values))
    except IntegrityError:
        return None
    assert result.inserted_primary_key is not None
    offering_id = int(result.inserted_primary_key[0])
    _note(connection, offering_id, State.ANNOUNCED, change)
    return get(connection, offering_id)


def take_up(connection: Connection, offering_id: int, file_name: str, check_digest: str) -> None:
    """Note the files of an offering as they are now: by its check file it is told from the next one of its stem."""
    connection.execute(
        update(offering)
        .where(offering.c.offering_id == offering_id)
        .values(file_name=file_name, check_digest=check_digest)
    )


def move(connection: Connection, offering_id: int, state: State, change: Change, **values: Any) -> None:
    """Change the state of an offering and note it; further columns may be set with it.

    A refusal raises an alarm, once; the stem's next verdict that is none clears it.
    """
    connection.execute(update(offering).where(offering.c.offering_id == offering_id).values(state=state, **values))
    _note(connection, offering_id, state, change)
    current = get(connection, offering_id)
    if state is State.REFUSED:
        message = f"{current.code}: {current.reason}"
        raise_alarm(connection, Kind.REFUSED, current.stem, message, change.at)
    elif state in (*ACCEPTED, State.DISCARDED):
        clear_alarm(connection, Kind.REFUSED, current.stem, change.at)


def note(connection: Connection, current: Offering, change: Change, **values: Any) -> None:
    """Note what was done to an offering whose state stays as it is; further columns may be set with it."""
    if values:
        connection.execute(update(offering).where(offering.c.offering_id == current.offering_id).values(**values))
    _note(connection, current.offering_id, current.state, change)


def acknowledge(connection: Connection, offering_id: int, moved_to: str | None, at: datetime) -> None:
    """The producer has its receipt, and the server's copy stands where `moved_to` says (None: it is gone)."""
    values = {"acknowledged_at": at, "moved_to": moved_to}
    connection.execute(update(offering).where(offering.c.offering_id == offering_id).values(values))


def history(connection: Connection, offering_ids: Iterable[int]) -> list[dict[str, Any]]:
    """The changes of state of offerings, oldest first."""
    query = select(event).where(event.c.offering_id.in_(list(offering_ids))).order_by(event.c.event_id)
    return [dict(row._mapping) for row in connection.execute(query)]


def leading(offerings: Iterable[Offering]) -> list[Offering]:
    """One offering a stem, which speaks for the batch: the accepted one where there is one, else the latest."""
    by_stem: dict[str, Offering] = {}
    for each in offerings:
        present = by_stem.get(each.stem)
        if present is None or each.state in ACCEPTED or present.state not in ACCEPTED:
            by_stem[each.stem] = each
    return [by_stem[stem] for stem in sorted(by_stem)]


def _note(connection: Connection, offering_id: int, state: State, change: Change) -> None:
    connection.execute(
        insert(event).values(offering_id=offering_id, state=state, cause=change.cause, actor=change.actor, at=change.at)
    )


def awaiting_acknowledgement(source: str) -> Any:
    """Condition: judged offerings of a source whose receipt or move on the server is still due."""
    judged = (State.LOADED, State.REFUSED, State.SUPERSEDED, State.DUPLICATE, State.DISCARDED)
    return (offering.c.source == source) & offering.c.acknowledged_at.is_(None) & or_(offering.c.state.in_(judged))
