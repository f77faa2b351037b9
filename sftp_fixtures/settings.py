"""What a generated province is made from, and the cycles that follow from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from sftp_fixtures.draws import Times

# Feed → (form of the cycle, how long after its end the producer writes it, column of the control total).
_HOUR, _DAY, _MONTH = "%Y%m%d%H", "%Y%m%d", "%Y%m"
_FEEDS: dict[str, tuple[str, timedelta, str | None]] = {
    "CUST": (_DAY, timedelta(minutes=70), None),
    "USER": (_DAY, timedelta(minutes=80), "balance_fen"),
    "PAYM": (_HOUR, timedelta(minutes=2, seconds=31), "amount_fen"),
    "CHNG": (_HOUR, timedelta(minutes=3, seconds=7), None),
    "BILL": (_MONTH, timedelta(hours=30), "total_fen"),
    "USGE": (_DAY, timedelta(minutes=170), "fee_fen"),
    "CONT": (_DAY, timedelta(minutes=110), None),
    "WORD": (_DAY, timedelta(minutes=115), None),
}
FEEDS = tuple(_FEEDS)


@dataclass(frozen=True)
class Rates:
    """How much happens, for each subscriber and day (on the average); `changes` scales what changes subscribers."""

    usage: float = 3.0
    payments: float = 0.04
    contacts: float = 0.05
    changes: float = 1.0


@dataclass(frozen=True)
class Cycle:
    """A cycle of one feed: its name in file names, and when its files are written (never after the province's end)."""

    feed: str
    name: str
    created_at: datetime


@dataclass(frozen=True)
class Settings:
    """One province: its size, its window of time and its seed. ValueError where a value makes no sense.

    The window is the `days` whole days before the day of `end`, and that day as far as it has gone. Changes and
    payments happen in the window's hours, or the last `hours` of them.
    """

    source: str
    subscribers: int
    months: int
    days: int
    end: datetime
    seed: int = 1
    hours: int | None = None
    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        if not (len(self.source) == 3 and self.source.isdigit()):
            raise ValueError(f"source: expected 3 digits, found {self.source!r}")
        for name, least in (("subscribers", 1), ("months", 1), ("days", 1), ("hours", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name}: expected at least {least}, found {value}")

    @property
    def today(self) -> datetime:
        """The start of the day of `end`; the days before it are closed."""
        return self.end.replace(hour=0, minute=0, second=0, microsecond=0)

    @property
    def first_day(self) -> datetime:
        return self.today - timedelta(days=self.days)

    @property
    def day_starts(self) -> Times:
        """The closed days of the window."""
        return _times(self.first_day + timedelta(days=n) for n in range(self.days))

    @property
    def hour_starts(self) -> Times:
        """The hours in which changes and payments happen; all have ended by `end`."""
        count = (self.end - self.first_day) // timedelta(hours=1)
        hours = _times(self.first_day + timedelta(hours=n) for n in range(count))
        return hours if self.hours is None else hours[-self.hours :]

    @property
    def month_starts(self) -> Times:
        """The first days of the closed months that are billed, the oldest first."""
        this_month = np.datetime64(self.end, "M")
        return np.arange(this_month - self.months, this_month).astype("datetime64[ms]")

    def cycles(self, feed: str) -> Iterator[Cycle]:
        """The cycles of a feed that had ended by `end`; for CUST and USER the day before the window too."""
        form, delay, _ = _FEEDS[feed]
        history = np.array([self.first_day - timedelta(days=1)], "datetime64[ms]")
        starts = {_HOUR: self.hour_starts, _DAY: self.day_starts, _MONTH: self.month_starts}[form]
        if feed in ("CUST", "USER"):
            starts = np.concatenate([history, starts])
        unit = {_HOUR: "h", _DAY: "D", _MONTH: "M"}[form]
        for start in starts:
            ended_at = (start.astype(f"datetime64[{unit}]") + 1).astype("datetime64[ms]").item()
            yield Cycle(feed, start.item().strftime(form), min(ended_at + delay, self.end))


def cycle_form(feed: str) -> str:
    """The `strftime` form of the feed's cycles."""
    return _FEEDS[feed][0]


def control_column(feed: str) -> str | None:
    """The column whose sum is the control total, where the feed has one."""
    return _FEEDS[feed][2]


def _times(moments: Iterator[datetime]) -> Times:
    return np.array(list(moments), "datetime64[ms]")
