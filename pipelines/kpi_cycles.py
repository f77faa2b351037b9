"""Cycles that never came, as far back as KPIs are told: they stay among those due, though nobody waits any more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import Connection

from pipelines.completeness import CycleState, CycleStatus
from pipelines.config import Config
from pipelines.contracts.model import Cadence, Contracts
from pipelines.cycles import parse_cycle
from pipelines.due_cycles import due_cycles


def kpis_from(
    contracts: Contracts, known: Iterable[CycleStatus], as_of: date, bill_month: str | None, kpi_months: int
) -> datetime:
    """When the first month of the KPIs begins (tiers and KPIs, section 5).

    That is `kpi_months` before the last closed month: `bill_month`, or that of the source that is furthest behind.
    """
    last = bill_month or min(_closed_months(contracts, known, as_of).values(), default=f"{as_of:%Y%m}")
    index = int(last[:4]) * 12 + int(last[4:]) - 1 - kpi_months
    return datetime(index // 12, index % 12 + 1, 1)


def never_came(
    connection: Connection,
    config: Config,
    contracts: Contracts,
    known: Iterable[CycleStatus],
    earliest: datetime,
    now: datetime,
) -> list[CycleStatus]:
    """The cycles due from `earliest` on that are not among those known, in their order: open, and not on time."""
    due = due_cycles(connection, config, contracts, earliest, now, known=(status.key for status in known))
    found = []
    for key in sorted(due):
        schedule = contracts[key.feed].schedule
        cycle = parse_cycle(schedule.cadence, key.cycle)
        assert cycle is not None, "only sound cycles are due"
        is_on_time = None if now < cycle.late_at(schedule) else False
        found.append(
            CycleStatus(
                key, CycleState.OPEN, cycle.expected_at(schedule), None, 0, (), "nothing came", "0001", (), 0,
                is_whole=False, is_on_time=is_on_time,
            )
        )  # fmt: skip
    return found


def _closed_months(contracts: Contracts, known: Iterable[CycleStatus], as_of: date) -> dict[tuple[str, str], str]:
    """The latest complete month before that of the as-of date, by feed and source."""
    found: dict[tuple[str, str], str] = {}
    for status in known:
        key = status.key
        is_closed = status.state is CycleState.COMPLETE and key.cycle < f"{as_of:%Y%m}"
        if is_closed and contracts[key.feed].schedule.cadence is Cadence.MONTHLY:
            found[key.feed, key.source] = max(key.cycle, found.get((key.feed, key.source), ""))
    return found
