"""Cycles: the hour, day or month that a file covers, its borders and deadlines (file interface, sections 2 and 8)."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from pipelines.contracts.model import Cadence, Schedule
from pipelines.errors import UsageError

_FORMS = {Cadence.HOURLY: "%Y%m%d%H", Cadence.DAILY: "%Y%m%d", Cadence.MONTHLY: "%Y%m"}
LENGTHS = {Cadence.HOURLY: 10, Cadence.DAILY: 8, Cadence.MONTHLY: 6}  # of a cycle's text


@dataclass(frozen=True)
class Cycle:
    """One cycle: `[start, end)` in Asia/Shanghai, and its text as it stands in names."""

    cadence: Cadence
    text: str
    start: datetime

    @property
    def end(self) -> datetime:
        if self.cadence is Cadence.HOURLY:
            return self.start + timedelta(hours=1)
        if self.cadence is Cadence.DAILY:
            return self.start + timedelta(days=1)
        return (self.start + timedelta(days=31)).replace(day=1)

    @property
    def day(self) -> date:
        """The day that archive and backup directories are named after: the first one for a month."""
        return self.start.date()

    @property
    def next(self) -> Cycle:
        return cycle_at(self.cadence, self.end)

    def expected_at(self, schedule: Schedule) -> datetime:
        return self.end + timedelta(seconds=schedule.expected_s)

    def late_at(self, schedule: Schedule) -> datetime:
        return self.expected_at(schedule) + timedelta(seconds=schedule.late_after_s)

    def missing_at(self, schedule: Schedule) -> datetime:
        return self.expected_at(schedule) + timedelta(seconds=schedule.missing_after_s)


@lru_cache(200_000)
def parse_cycle(cadence: Cadence, text: str) -> Cycle | None:
    """The cycle that a name states, or None where it does not fit the cadence or is no real date (E104)."""
    if not re.fullmatch(rf"[0-9]{{{LENGTHS[cadence]}}}", text):
        return None
    try:
        start = datetime.strptime(text, _FORMS[cadence])
    except ValueError:
        return None
    return Cycle(cadence, text, start) if 1900 <= start.year < 3000 else None


def parse_any_cycle(text: str) -> Cycle:
    """The hour, day or month that a text states. Raises UsageError where it is none of them."""
    for cadence in Cadence:
        if cycle := parse_cycle(cadence, text):
            return cycle
    raise UsageError(f"cycle {text}: expected YYYYMM, YYYYMMDD or YYYYMMDDHH that is a real date")


def parse_day(text: str) -> date:
    """The day that a text states, as 2026-11-21. Raises UsageError where it is none that a cycle could cover."""
    with suppress(ValueError):
        day = date.fromisoformat(text)
        if parse_cycle(Cadence.DAILY, f"{day:%Y%m%d}"):
            return day
    raise UsageError(f"day {text}: expected a day such as 2026-11-21, from 1900 to 2999")


def cycle_at(cadence: Cadence, moment: datetime) -> Cycle:
    """The cycle that a moment falls into."""
    start = moment.replace(minute=0, second=0, microsecond=0, tzinfo=None)
    if cadence is not Cadence.HOURLY:
        start = start.replace(hour=0)
    if cadence is Cadence.MONTHLY:
        start = start.replace(day=1)
    return Cycle(cadence, start.strftime(_FORMS[cadence]), start)
