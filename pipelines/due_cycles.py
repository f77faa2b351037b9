"""Which cycles are due: from a source's first day on, as far back as is watched (file interface, section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from pipelines.config import Config, SourceConfig
from pipelines.contracts.model import Contract, Contracts, Mode
from pipelines.cycles import cycle_at, parse_cycle
from pipelines.ledger.tables import end_file, offering
from pipelines.names import CycleKey


def due_cycles(
    connection: Connection, config: Config, contracts: Contracts, now: datetime, source: str | None
) -> set[CycleKey]:
    """The cycles of all sources, or of one, that ended by `now`."""
    first_seen = _first_seen(connection)
    due: set[CycleKey] = set()
    for each in config.sources.values():
        for feed in each.feeds if source in (None, each.source) else ():
            first = first_seen.get((feed, each.source), "")
            due |= set(_due(contracts[feed], each, first, now, config.watch_days))
    return due


def _first_seen(connection: Connection) -> dict[tuple[str, str], str]:
    """The first cycle of each feed and source of which anything came, an increment of a sound cycle."""
    found: dict[tuple[str, str], str] = {}
    is_sound = offering.c.code.is_distinct_from("E104")
    for table, more in ((offering, [is_sound]), (end_file, [])):
        query = select(table.c.feed, table.c.source, func.min(table.c.cycle)).group_by(table.c.feed, table.c.source)
        for feed, source, cycle in connection.execute(query.where(table.c.mode == Mode.INCREMENT.value, *more)):
            found[feed, source] = min(cycle, found.get((feed, source), cycle))
    return found


def _due(
    contract: Contract, source: SourceConfig, first_seen: str, now: datetime, watch_days: int
) -> Iterator[CycleKey]:
    cadence = contract.schedule.cadence
    first = parse_cycle(cadence, first_seen)
    if source.since is not None:
        since = datetime.combine(source.since, datetime.min.time())
    elif first is not None:
        since = first.start
    else:
        return
    cycle = cycle_at(cadence, max(since, now - timedelta(days=watch_days)))
    while cycle.end <= now:
        yield CycleKey(contract.feed, source.source, Mode.INCREMENT.value, cycle.text)
        cycle = cycle.next
