"""Which cycles are due: those that ended, from a source's first day on (file interface, section 8)."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, time

from sqlalchemy import Connection, select

from pipelines.config import Config, SourceConfig
from pipelines.contracts.model import Cadence, Contracts, Mode
from pipelines.cycles import Cycle, cycle_at, parse_cycle
from pipelines.ledger.tables import end_file, offering
from pipelines.names import CycleKey


def due_cycles(
    connection: Connection,
    config: Config,
    contracts: Contracts,
    earliest: datetime,
    now: datetime,
    source: str | None = None,
    known: Iterable[CycleKey] = (),
) -> set[CycleKey]:
    """The cycles of all sources, or of one, that are due and ended between `earliest` and `now`; but those `known`."""
    left_out: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for key in known:
        if key.mode == Mode.INCREMENT:
            left_out[key.feed, key.source].add(key.cycle)
    ended = {cadence: list(_ended(cadence, earliest, now)) for cadence in Cadence}
    due: set[CycleKey] = set()
    for each in config.sources.values():
        for feed in each.feeds if source in (None, each.source) else ():
            cadence = contracts[feed].schedule.cadence
            first = _first_due(connection, cadence, feed, each)
            if first is not None:
                texts = ended[cadence][bisect_left(ended[cadence], first) :]  # texts of a cadence sort as their times
                missing = set(texts) - left_out[feed, each.source]
                due |= {CycleKey(feed, each.source, Mode.INCREMENT.value, text) for text in missing}
    return due


def is_due_by(source: SourceConfig | None, cycle: Cycle) -> bool:
    """Whether cycles of a source were due by then: those of history that ended before its `since` are taken, no more.

    None: a source that the configuration names no longer; nothing says since when its cycles were.
    """
    since = None if source is None else source.since
    return since is None or cycle.end > datetime.combine(since, time())


def is_waited_for(config: Config, key: CycleKey, cycle: Cycle) -> bool:
    """Whether a cycle is to come: the configuration names its source and feed, and it was due by then."""
    source = config.sources.get(key.source)
    return source is not None and key.feed in source.feeds and is_due_by(source, cycle)


def _ended(cadence: Cadence, earliest: datetime, now: datetime) -> Iterator[str]:
    cycle = cycle_at(cadence, earliest)
    while cycle.end <= now:
        yield cycle.text
        cycle = cycle.next


def _first_due(connection: Connection, cadence: Cadence, feed: str, source: SourceConfig) -> str | None:
    if source.since is not None:
        return cycle_at(cadence, datetime.combine(source.since, time())).text
    first_seen = _first_seen(connection, feed, source.source)
    return first_seen if parse_cycle(cadence, first_seen) else None


def _first_seen(connection: Connection, feed: str, source: str) -> str:
    """The first cycle of a feed and source of which anything came, an increment of a sound cycle; "" for none.

    The first one in an index is found at once, where the least of all cycles of all feeds is not.
    """
    found: list[str] = []
    for table, more in ((offering, [offering.c.code.is_distinct_from("E104")]), (end_file, [])):
        of_it = (table.c.feed == feed, table.c.source == source, table.c.mode == Mode.INCREMENT.value)
        found += connection.scalars(select(table.c.cycle).where(*of_it, *more).order_by(table.c.cycle).limit(1))
    return min(found, default="")
