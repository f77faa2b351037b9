"""The wall clock of the interface: naive datetimes that mean Asia/Shanghai."""

from __future__ import annotations

import os
from datetime import datetime
from zoneinfo import ZoneInfo

from pipelines.errors import ConfigurationError

SHANGHAI = ZoneInfo("Asia/Shanghai")
COMPACT = "%Y%m%d%H%M%S"


def now() -> datetime:
    """The present moment to the second; `TIERLINE_NOW` (an ISO time) sets it for rehearsals and tests."""
    rehearsal = os.environ.get("TIERLINE_NOW")
    if rehearsal is None:
        return datetime.now(SHANGHAI).replace(tzinfo=None, microsecond=0)
    try:
        return datetime.fromisoformat(rehearsal).replace(microsecond=0)
    except ValueError:
        raise ConfigurationError(
            f"TIERLINE_NOW is {rehearsal!r}; expected a time such as 2026-11-22T13:00:00 (Asia/Shanghai)"
        ) from None


def compact(moment: datetime) -> str:
    """A moment as the file interface writes it: YYYYMMDDHHMMSS."""
    return moment.strftime(COMPACT)
