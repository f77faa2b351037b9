"""The life of an offering: every change of state in one place, each with its event and the alarm that it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from pipelines.ledger.alarms import Kind, clear_alarm, open_subjects, raise_alarm
from pipelines.ledger.tables import event, offering
from pipelines.names import BatchName, CycleKey


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
    format_version: str | None
    orphans: int | None
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


def find_page(connection: Connection, *conditions: Any, most: int, after: int) -> tuple[list[Offering], int]:
    """Some of the offerings that meet conditions, newest first, from place `after` on; and how many there are."""
    total = connection.execute(select(func.count()).select_from(offering).where(*conditions)).scalar_one()
    query = select(*_COLUMNS).where(*conditions).order_by(offering.c.offering_id.desc()).limit(most).offset(after)
    return [_offering(row) for row in connection.execute(query)], total


def get(connection: Connection, offering_id: int) -> Offering:
    return find(connection, offering.c.offering_id == offering_id)[0]


@dataclass(frozen=True)
class Move:
    """A change of state of one offering; `values` are further columns that are set with it."""

    offering_id: int
    state: State
    change: Change
    values: dict[str, Any]


def announce_all(connection: Connection, found: Iterable[tuple[BatchName, str]], change: Change) -> list[Offering]:
    """Note that batches (name, data file) lie on the server; those of which an offering is on its way are passed over.

    Offerings of one stem never share the second in which they were taken, for files on the server are named by it.
    """
    files = {name.stem: (name, file_name) for name, file_name in found}
    query = select(offering.c.stem, offering.c.state, offering.c.taken_at).where(offering.c.stem.in_(files))
    latest: dict[str, datetime] = {}
    for stem, state, taken_at in connection.execute(query).all():
        latest[stem] = max(taken_at, latest.get(stem, taken_at))
        if state in ON_ITS_WAY:
            files.pop(stem, None)
    if not files:
        return []
    rows = [
        vars(name)
        | {"stem": stem, "file_name": file_name, "state": State.ANNOUNCED}
        | {"taken_at": max(change.at, latest[stem] + timedelta(seconds=1)) if stem in latest else change.at}
        for stem, (name, file_name) in files.items()
    ]
    ids = connection.execute(insert(offering).returning(offering.c.offering_id), rows).scalars().all()
    _note_all(connection, [(offering_id, State.ANNOUNCED, change) for offering_id in ids])
    return find(connection, offering.c.offering_id.in_(ids))


def take_up_all(connection: Connection, found: Iterable[tuple[int, str, str]]) -> None:
    """Note the files of offerings (id, data file, digest of the check file) as they are now.

    By its check file an offering is told from the next one of its stem.
    """
    rows = [{"id": number, "file_name": name, "check_digest": digest} for number, name, digest in found]
    if rows:
        connection.execute(update(offering).where(offering.c.offering_id == bindparam("id")), rows)


def move(connection: Connection, offering_id: int, state: State, change: Change, **values: Any) -> None:
    """As `move_all`, of one offering."""
    move_all(connection, [Move(offering_id, state, change, values)])


def move_all(connection: Connection, moves: Iterable[Move]) -> None:
    """Change the states of offerings and note it.

    A refusal raises an alarm, once; the stem's next verdict that is none clears it.
    """
    moves = list(moves)
    by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for each in moves:
        row = {"id": each.offering_id, "state": each.state, **each.values}
        by_columns.setdefault(tuple(sorted(row)), []).append(row)
    for rows in by_columns.values():
        connection.execute(update(offering).where(offering.c.offering_id == bindparam("id")), rows)
    _note_all(connection, [(each.offering_id, each.state, each.change) for each in moves])
    _alarm(connection, moves)


def _alarm(connection: Connection, moves: list[Move]) -> None:
    mended = {each.offering_id: each.change.at for each in moves if each.state in (*ACCEPTED, State.DISCARDED)}
    if mended and (open_alarms := open_subjects(connection, Kind.REFUSED)):
        query = select(offering.c.offering_id, offering.c.stem).where(offering.c.stem.in_(open_alarms))
        for number, stem in connection.execute(query).all():
            if number in mended:
                clear_alarm(connection, Kind.REFUSED, stem, mended[number])
    for each in moves:
        if each.state is State.REFUSED:
            current = get(connection, each.offering_id)
            message = f"{current.code}: {current.reason}"
            raise_alarm(connection, Kind.REFUSED, current.stem, message, each.change.at)


def note(connection: Connection, current: Offering, change: Change, **values: Any) -> None:
    """Note what was done to an offering whose state stays as it is; further columns may be set with it."""
    if values:
        connection.execute(update(offering).where(offering.c.offering_id == current.offering_id).values(**values))
    _note_all(connection, [(current.offering_id, current.state, change)])


def note_orphans(connection: Connection, found: Mapping[int, int]) -> None:
    """Note how many foreign keys of batches, by id, core did not hold (E506)."""
    rows = [{"id": number, "orphans": count} for number, count in found.items()]
    if rows:
        connection.execute(update(offering).where(offering.c.offering_id == bindparam("id")), rows)


def acknowledge(connection: Connection, current: Offering, moved_to: str | None, at: datetime) -> bool:
    """The producer has its receipt, and the server's copy stands where `moved_to` says (None: it is gone).

    Returns False, and leaves it due, where it was judged or decided otherwise while the receipt was written.
    """
    as_read = [
        offering.c[name] == getattr(current, name) for name in ("offering_id", "state", "judged_at", "staged_count")
    ]
    result = connection.execute(update(offering).where(*as_read).values(acknowledged_at=at, moved_to=moved_to))
    return bool(result.rowcount)


def history(connection: Connection, offering_ids: Iterable[int]) -> list[dict[str, Any]]:
    """The changes of state of offerings, oldest first."""
    query = select(event).where(event.c.offering_id.in_(list(offering_ids))).order_by(event.c.event_id)
    return [dict(row._mapping) for row in connection.execute(query)]


def accepted_times(connection: Connection, *conditions: Any) -> dict[tuple[CycleKey, str], dict[str, datetime]]:
    """When each version was first accepted, or discarded by an operator: by cycle and SEQ, and version."""
    over = [table.c.state.in_((*ACCEPTED, State.DISCARDED)) for table in (offering, event)]
    parts = [offering.c[part] for part in ("feed", "source", "mode", "cycle", "seq", "version")]
    query = select(*parts, func.min(event.c.at)).join(event).where(*over, *conditions).group_by(*parts)
    found: dict[tuple[CycleKey, str], dict[str, datetime]] = {}
    for *cycle, seq, version, at in connection.execute(query):
        found.setdefault((CycleKey(*cycle), seq), {})[version] = at
    return found


def _note_all(connection: Connection, found: list[tuple[int, State, Change]]) -> None:
    rows = [{"offering_id": number, "state": state, **vars(change)} for number, state, change in found]
    if rows:
        connection.execute(insert(event), rows)


def awaiting_acknowledgement(source: str) -> Any:
    """Condition: judged offerings of a source whose receipt or move on the server is still due."""
    judged = (State.LOADED, State.REFUSED, State.SUPERSEDED, State.DUPLICATE, State.DISCARDED)
    return (offering.c.source == source) & offering.c.acknowledged_at.is_(None) & offering.c.state.in_(judged)
