"""Alarms: what is not as it must be, raised once and cleared when it is mended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from pipelines.ledger.tables import alarm, alarm_telling, digest_telling


class Kind(StrEnum):
    """What an alarm is about; its subject is a cycle, a stem, a path on a server, or a receiver (and a stem)."""

    LATE = "late"
    MISSING = "missing"
    HELD = "held"
    UNNAMED = "unnamed"
    LEFT = "left"
    REFUSED = "refused"
    COPIES = "E206"
    QUALITY = "quality"
    DELIVERY = "delivery"
    RECEIPT = "receipt"


# What an operator does about an alarm of each kind.
TO_DO = {
    Kind.LATE: "Ask the producer when it comes; it is taken by itself. See 'tierline cycles --state late'.",
    Kind.MISSING: "Ask the producer to send it; a request lies on its server, unless end and check files contradict "
    "each other. See 'tierline cycles --state missing'.",
    Kind.HELD: "Ask the producer whether so many are gone; if so: 'tierline cycles accept FEED SOURCE CYCLE --why …'.",
    Kind.UNNAMED: "Ask the producer which is right: it is loaded; an end file that names all is to be sent again.",
    Kind.LEFT: "Tell the producer; the file stays in outgoing/ until its other half comes or it goes.",
    Kind.REFUSED: "Look with 'tierline batch show STEM'; then retry, accept or discard it, or wait for the resend.",
    Kind.COPIES: "'tierline backups verify', then 'tierline backups restore'.",
    Kind.QUALITY: "Look with 'tierline quality --failed'; a failure holds publication back until it is accepted.",
    Kind.DELIVERY: "See that the receiver runs and lets us in; 'tierline deliver' tries again.",
    Kind.RECEIPT: "Ask the receiver whether it took the list; 'tierline deliver' reads its receipts again.",
}


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
    for subject in sorted(found.keys() - present):
        raise_alarm(connection, kind, subject, found[subject], at)
    for subject in present - found.keys():
        if covers(subject):
            clear_alarm(connection, kind, subject, at)


def untold(connection: Connection) -> list[Alarm]:
    """Alarms that nobody was told of yet, oldest first."""
    return _alarms(connection, alarm.c.told_at.is_(None))


def mark_told(connection: Connection, alarms: list[Alarm], at: datetime) -> None:
    """Note that these were said wherever alarms go."""
    newest = max(each.alarm_id for each in alarms)
    connection.execute(update(alarm).where(alarm.c.alarm_id <= newest, alarm.c.told_at.is_(None)).values(told_at=at))


def open_alarms(connection: Connection) -> list[Alarm]:
    """Alarms of what is not mended yet, oldest first."""
    return _alarms(connection, alarm.c.cleared_at.is_(None))


def untold_by(connection: Connection, channel: str) -> list[Alarm]:
    """Open alarms that a channel was not told of yet; what was mended before it could be told need not be."""
    told = select(alarm_telling.c.alarm_id).where(alarm_telling.c.channel.in_(_names(channel)))
    return _alarms(connection, alarm.c.cleared_at.is_(None), alarm.c.alarm_id.not_in(told))


def mark_told_by(connection: Connection, channel: str, alarms: list[Alarm], at: datetime) -> None:
    """Note that a channel has taken these."""
    rows = [{"channel": channel, "alarm_id": each.alarm_id, "told_at": at} for each in alarms]
    connection.execute(insert(alarm_telling), rows)


def has_digest(connection: Connection, channel: str, day: date) -> bool:
    """Whether a channel has the digest of a day."""
    here = (digest_telling.c.channel.in_(_names(channel)), digest_telling.c.day == str(day))
    return connection.execute(select(digest_telling.c.day).where(*here)).first() is not None


def mark_digest(connection: Connection, channel: str, day: date, at: datetime) -> None:
    """Note that a channel has taken the digest of a day."""
    connection.execute(insert(digest_telling).values(channel=channel, day=str(day), told_at=at))


def _names(channel: str) -> set[str]:
    """A channel's, and that under which an earlier release noted what all addresses of it were told."""
    return {channel, channel.partition(" ")[0]}


def _alarms(connection: Connection, *conditions: Any) -> list[Alarm]:
    query = select(*_COLUMNS).where(*conditions).order_by(alarm.c.alarm_id)
    return [Alarm(**(dict(row._mapping) | {"kind": Kind(row.kind)})) for row in connection.execute(query)]


def _open(kind: Kind, subject: str) -> list[Any]:
    return [alarm.c.kind == kind, alarm.c.subject == subject, alarm.c.cleared_at.is_(None)]
