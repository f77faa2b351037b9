"""The daily digest: what came, what did not, what waits for somebody, and what went out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from pipelines import steps
from pipelines.completeness import CycleState
from pipelines.ledger.alarms import Alarm, has_digest, mark_digest, open_alarms
from pipelines.ledger.tables import delivery, offering, publication
from pipelines.site import Site
from pipelines.telling.alarms import alarm_lines, channels
from pipelines.telling.message import Message, hand_over


@dataclass(frozen=True)
class Digest:
    """A day (Asia/Shanghai) by counts: batches by their state now, cycles that are not complete, what went out."""

    day: date
    batches: dict[str, int]
    rejected_rows: int
    cycles: dict[str, int]
    publications: int
    deliveries: dict[str, int]
    alarms: list[Alarm]

    def lines(self) -> Iterator[str]:
        yield f"batches taken: {_counts(self.batches)}; rejected rows: {self.rejected_rows}"
        yield f"cycles now: {_counts(self.cycles)}"
        yield f"publications: {self.publications}; lists to receivers: {_counts(self.deliveries)}"
        yield f"open alarms: {len(self.alarms)}"
        yield from alarm_lines(self.alarms)

    def content(self) -> dict[str, Any]:
        """For programs; alarms by kind."""
        return vars(self) | {"alarms": Counter(str(each.kind) for each in self.alarms)}


def make_digest(site: Site, day: date) -> Digest:
    """What the ledger knows of a day, and of now what is open."""
    begin = datetime.combine(day, time())
    end = begin + timedelta(days=1)
    states = Counter(each.state.value for each in steps.statuses(site, watched_only=True))
    with site.ledger.reading() as connection:
        taken = (offering.c.taken_at >= begin) & (offering.c.taken_at < end)
        rejected = connection.execute(select(func.sum(offering.c.rejected)).where(taken)).scalar()
        published = (publication.c.published_at >= begin) & (publication.c.published_at < end)
        attempted = (delivery.c.last_attempt_at >= begin) & (delivery.c.last_attempt_at < end)
        return Digest(
            day,
            _by_state(connection, offering, taken),
            int(rejected or 0),
            {state.value: states[state.value] for state in CycleState if states[state.value]},
            connection.execute(select(func.count()).select_from(publication).where(published)).scalar_one(),
            _by_state(connection, delivery, attempted),
            open_alarms(connection),
        )


def send_digest(site: Site, digest: Digest) -> list[str]:
    """Send a day's digest to all who have not got it; returns who could not be told, and why."""
    errors: list[str] = []
    message = Message(f"digest of {digest.day}", "\n".join(digest.lines()), {"digest": digest.content()})
    with site.lock("alarms", wait=True):
        for channel in channels(site, errors):
            with site.ledger.reading() as connection:
                places = [each for each in channel.places if not has_digest(connection, each, digest.day)]
            if not places:
                continue
            sent = hand_over(channel, message, places)
            errors += sent.later + sent.lost
            with site.ledger.transaction() as connection:
                for place in sent.told:
                    mark_digest(connection, place, digest.day, site.now)
    return errors


def _by_state(connection: Connection, table: Any, condition: Any) -> dict[str, int]:
    query = select(table.c.state, func.count()).where(condition).group_by(table.c.state).order_by(table.c.state)
    return {str(row[0]): int(row[1]) for row in connection.execute(query)}


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
