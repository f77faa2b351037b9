"""Alarms: what is not as it must be, raised once and cleared when it is mended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from pipelines.ledger.tables import alarm


class Kind(StrEnum):
    """What an alarm is about; its subject is a cycle, a stem, a path on a server, or a receiver (and a stem)."""

    LATE = "late"
    MISSING = "missing"
    HELD = "held"
    LEFT = "left"
    REFUSED = "refused"
    COPIES = "E206"
    QUALITY = "quality"
    DELIVERY = "delivery"
    RECEIPT = "receipt"


@dataclass(frozen=True)
class Alarm:
    """One row of the ledger's `alarm` table."""

    alarm_id: int
    kind: Kind
    subject: str
    message: str
    raised_at: datetime


_COLUMNS = [alarm.c[field.name] for field in fields(Alarm)]


def raise_alarm(connection: Connection, kind: Kind, subject: str, message: str, at: datetime) -> None:
    """Raise an alarm, unless one of this kind and subject is open."""
    if not connection.execute(select(alarm.c.alarm_id).where(*_open(kind, subject))).first():
        connection.execute(insert(alarm).values(kind=kind, subject=subject, message=message, raised_at=at))


def clear_alarm(connection: Connection, kind: Kind, subject: str, at: datetime) -> None:
    """Note that what an alarm was about is mended; harmless where there is none."""
    connection.execute(update(alarm).where(*_open(kind, subject)).values(cleared_at=at))


def open_subjects(connection: Connection, kind: Kind) -> set[str]:
    """What alarms of a kind are open about."""
    query = select(alarm.c.subject).where(alarm.c.kind == kind, alarm.c.cleared_at.is_(None))
    return set(connection.execute(query).scalars())


def settle_alarms(
    connection: Connection, kind: Kind, found: Mapping[str, str], covers: Callable[[str], bool], at: datetime
) -> None:
    """Raise what was found (subject → message), and clear open alarms of subjects that `covers` and are no longer."""
    present = open_subjects(connection, kind)
    for subject in found.keys() - present:
        raise_alarm(connection, kind, subject, found[subject], at)
    for subject in present - found.keys():
        if covers(subject):
            clear_alarm(connection, kind, subject, at)


def untold(connection: Connection) -> list[Alarm]:
    """Alarms that nobody was told of yet, oldest first."""
    query = select(*_COLUMNS).where(alarm.c.told_at.is_(None)).order_by(alarm.c.alarm_id)
    return [Alarm(**(dict(row._mapping) | {"kind": Kind(row.kind)})) for row in connection.execute(query)]


def mark_told(connection: Connection, alarms: list[Alarm], at: datetime) -> None:
    """Note that these were said wherever alarms go."""
    newest = max(each.alarm_id for each in alarms)
    connection.execute(update(alarm).where(alarm.c.alarm_id <= newest, alarm.c.told_at.is_(None)).values(told_at=at))


def _open(kind: Kind, subject: str) -> list[Any]:
    return [alarm.c.kind == kind, alarm.c.subject == subject, alarm.c.cleared_at.is_(None)]
