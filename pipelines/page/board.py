"""What the page shows: the cycles around a day, and lists of batches, a screenful at a time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from pipelines.completeness import CycleState, CycleStatus, Within, cycle_statuses
from pipelines.contracts.model import Cadence
from pipelines.cycles import cycle_at, parse_cycle
from pipelines.ledger import offerings
from pipelines.ledger.offerings import STANDING, Offering, State
from pipelines.ledger.tables import offering
from pipelines.names import CycleKey
from pipelines.site import Site

REFUSED = "refused"
# How far back from the end of the day a board reaches, by cadence: a day of hours, two weeks, a year.
_CYCLES = {Cadence.HOURLY: 24, Cadence.DAILY: 14, Cadence.MONTHLY: 12}


@dataclass(frozen=True)
class Cell:
    """One cycle of a feed and source: its worst word, and how many batches of it are refused and not replaced."""

    key: CycleKey
    word: str
    refused: int
    reason: str


@dataclass(frozen=True)
class Table:
    """The feeds of one cadence: a row a feed and source, a column a cycle; a cell holds a status for each mode."""

    cadence: Cadence
    cycles: list[str]
    rows: list[tuple[str, str, list[list[Cell]]]]


def make_board(site: Site, day: date) -> list[Table]:
    """Feed × source × cycle up to the end of a day (Asia/Shanghai), by cadence; cadences that no feed has are left."""
    cycles = {cadence: _window(cadence, day) for cadence in Cadence}
    every = frozenset(cycle for each in cycles.values() for cycle in each)
    with site.ledger.reading() as connection:
        statuses = cycle_statuses(connection, site.config, site.contracts, site.now, Within(cycles=every))
        refused = _refused(offerings.find(connection, offering.c.cycle.in_(every)))
    cells: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
    known = {status.key for status in statuses}
    for status in statuses:
        cell = _cell(status, len(refused[status.key]))
        cells[status.key.feed, status.key.source, status.key.cycle].append(cell)
    for key in refused.keys() - known:  # nothing of it was ever accepted, and nobody waits for it
        cells[key.feed, key.source, key.cycle].append(Cell(key, REFUSED, len(refused[key]), "only refused batches"))
    tables = []
    for cadence, shown in cycles.items():
        rows = [
            (feed, source.source, [cells[feed, source.source, cycle] for cycle in shown])
            for source in site.config.sources.values()
            for feed in source.feeds
            if site.contracts[feed].schedule.cadence is cadence
        ]
        if rows:
            tables.append(Table(cadence, shown, sorted(rows, key=lambda row: row[:2])))
    return tables


def cycle_story(site: Site, key: CycleKey) -> tuple[CycleStatus | None, list[Offering]]:
    """The state of a cycle, None where nothing is known of it, and every offering of its batches, newest first."""
    here = [offering.c[part] == value for part, value in vars(key).items()]
    with site.ledger.reading() as connection:
        within = Within(source=key.source, cycles=frozenset([key.cycle]))
        statuses = cycle_statuses(connection, site.config, site.contracts, site.now, within)
        found = offerings.find(connection, *here)
    return next((each for each in statuses if each.key == key), None), found[::-1]


def list_batches(
    site: Site, state: State | None, feed: str, source: str, cycle: str, text: str, page: int, size: int
) -> tuple[list[Offering], int]:
    """A page of offerings, newest first, and how many there are in all."""
    conditions = [offering.c.state == state.value] if state else []
    conditions += [offering.c[name] == value for name, value in (("feed", feed), ("source", source)) if value]
    conditions += [offering.c.cycle.startswith(cycle, autoescape=True)] if cycle else []
    conditions += [offering.c.stem.contains(text, autoescape=True)] if text else []
    with site.ledger.reading() as connection:
        return offerings.find_page(connection, *conditions, most=size, after=(page - 1) * size)


def _window(cadence: Cadence, day: date) -> list[str]:
    """The cycles of a cadence that end up to the end of a day, oldest first."""
    end = datetime.combine(day, time()) + timedelta(days=1)
    moment, found = end - timedelta(seconds=1), list[str]()
    while len(found) < _CYCLES[cadence]:
        cycle = cycle_at(cadence, moment)
        found.append(cycle.text)
        moment = cycle.start - timedelta(seconds=1)
    return found[::-1]


def _refused(found: list[Offering]) -> dict[CycleKey, set[str]]:
    """Stems whose newest offering is refused, and in whose place no other version stands, by cycle."""
    newest = {each.stem: each for each in found}
    standing = {(each.name.cycle_key, each.seq) for each in found if each.state in STANDING}
    stems: dict[CycleKey, set[str]] = defaultdict(set)
    for each in newest.values():
        if each.state is State.REFUSED and (each.name.cycle_key, each.seq) not in standing:
            stems[each.name.cycle_key].add(each.stem)
    return stems


def _cell(status: CycleStatus, refused: int) -> Cell:
    word = REFUSED if refused and status.state is not CycleState.COMPLETE else status.state.value
    return Cell(status.key, word, refused, status.reason or "complete")


def is_cycle(site: Site, key: CycleKey) -> bool:
    """Whether a feed of ours can have such a cycle."""
    return key.feed in site.contracts and parse_cycle(site.contracts[key.feed].schedule.cadence, key.cycle) is not None
