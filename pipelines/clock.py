"""The wall clock of the interface: naive datetimes that mean Asia/Shanghai."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pipelines.errors import ConfigurationError

SHANGHAI = ZoneInfo("Asia/Shanghai")
COMPACT = "%Y%m%d%H%M%S"


def now() -> datetime:
    """The present moment to the second; `TIERLINE_NOW` sets it for rehearsals and tests.

    That is an ISO time, or `@PATH` of a file that holds one: then the moment can be moved on under running processes.
    """
    rehearsal = os.environ.get("TIERLINE_NOW")
    if rehearsal is None:
        return datetime.now(SHANGHAI).replace(tzinfo=None, microsecond=0)
    try:
        stated = Path(rehearsal[1:]).read_text().strip() if rehearsal.startswith("@") else rehearsal
        return datetime.fromisoformat(stated).replace(microsecond=0)
    except (ValueError, OSError):
        raise ConfigurationError(
            f"TIERLINE_NOW is {rehearsal!r}; expected a time such as 2026-11-22T13:00:00 (Asia/Shanghai), "
            "or @PATH of a file that holds one"
        ) from None


def compact(moment: datetime) -> str:
    """A moment as the file interface writes it: YYYYMMDDHHMMSS."""
    return moment.strftime(COMPACT)
