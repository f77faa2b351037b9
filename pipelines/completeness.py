"""Which cycles are complete, held, open, late or missing: a function of ledger, contracts and clock (section 8)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Table, select, union

from pipelines.check_files import EndFile
from pipelines.config import Config
from pipelines.contracts.model import Contract, Contracts, Mode
from pipelines.cycles import Cycle, parse_cycle
from pipelines.due_cycles import due_cycles, is_due_by, is_waited_for
from pipelines.ends import contradiction, gaps, needed, next_seq, unnamed
from pipelines.ledger.alarms import Kind
from pipelines.ledger.cycle_acceptances import Words, words_of
from pipelines.ledger.end_files import standing_ends
from pipelines.ledger.known_cycles import Known, known_cycles
from pipelines.ledger.left_files import ends_left
from pipelines.ledger.offerings import Change
from pipelines.ledger.tables import end_file, offering
from pipelines.names import CycleKey
from pipelines.punctuality import Punctuality


class CycleState(StrEnum):
    OPEN = "open"
    COMPLETE = "complete"
    HELD = "held"
    LATE = "late"
    MISSING = "missing"


@dataclass(frozen=True)
class CycleStatus:
    """One cycle of a feed, source and mode.

    `gaps`: stems that its end file names and that were not accepted (E502); `next_seq`: the first SEQ of which nothing
    came; `standing`: the stems whose rows belong into core; `records`: what they declare; `is_whole`: every SEQ that is
    named stands; `reason`: why it is not complete, or what it holds besides; `is_on_time`: whether it was complete
    before it counted as late; None where it may still be, was not due or not asked. `offerings`: the ids of those
    standing; `taken_out`: records declared where the word of an operator took some of a complete snapshot out, else
    None; `let_through`: the word that ended E505's hold on it.
    """

    key: CycleKey
    state: CycleState
    expected_at: datetime
    files: int | None  # as the end file says; None while there is none
    accepted: int
    gaps: tuple[str, ...]
    reason: str
    next_seq: str
    standing: tuple[str, ...]
    records: int
    is_whole: bool
    is_on_time: bool | None = None
    offerings: frozenset[int] = frozenset()
    taken_out: int | None = None
    let_through: Change | None = None

    @property
    def is_overdue(self) -> bool:
        return self.state in (CycleState.LATE, CycleState.MISSING)

    @property
    def next_stem(self) -> str:
        """The stem that is asked for where nothing tells which files a cycle still lacks."""
        return f"{self.key}_{self.next_seq}_00"


@dataclass(frozen=True)
class Within:
    """What is asked of the cycles: of one source; full snapshots only; no old increments without news; or just these.

    A ledger keeps the cycles of years, and most questions are of the last weeks. Snapshots are looked at whatever is
    asked, since each is held against the one before it.
    """

    source: str | None = None
    full_only: bool = False
    watched_only: bool = False
    cycles: frozenset[str] | None = None

    @property
    def is_all(self) -> bool:
        return not (self.full_only or self.watched_only or self.cycles is not None)

    def conditions(self, table: Table, watched_from: datetime) -> list[Any]:
        """As SQLAlchemy conditions on the ledger's `offering` or `end_file`."""
        found: list[Any] = [] if self.source is None else [table.c.source == self.source]
        if self.full_only:
            found.append(table.c.mode == Mode.FULL.value)
        if self.cycles is not None:
            found.append(table.c.cycle.in_(self.cycles) | (table.c.mode == Mode.FULL.value))
        if self.watched_only:
            # A cycle of any age may still come, and then have gaps to ask for and an alarm to clear.
            came = (select(each.c.cycle).where(each.c.taken_at >= watched_from) for each in (offering, end_file))
            is_recent = (table.c.cycle >= f"{watched_from:%Y%m}") | table.c.cycle.in_(union(*came))
            found.append((table.c.mode == Mode.FULL.value) | is_recent)
        return found


def cycle_statuses(
    connection: Connection, config: Config, contracts: Contracts, now: datetime, within: Within = Within()
) -> list[CycleStatus]:
    """Every cycle that was seen or is due, by feed, source, mode and cycle.

    Due are those that ended by `now`, from the source's `since` (or its first cycle seen) on, at most `watch_days`
    back: only these become late or missing.
    """
    watched_from = now - timedelta(days=config.watch_days)
    known = known_cycles(connection, *within.conditions(offering, watched_from))
    ends = standing_ends(connection, *within.conditions(end_file, watched_from))
    due = set() if within.full_only else due_cycles(connection, config, contracts, watched_from, now, within.source)
    if within.cycles is not None:
        due = {key for key in due if key.cycle in within.cycles}
    statuses = []
    for key in sorted(known.keys() | ends.keys() | due):
        cycle = _cycle(key, contracts)
        seen = known.get(key, Known())
        if cycle is None or (cycle.end > now and not seen.versions and key not in ends):
            continue  # such a batch is refused (E104, E105, E106): it opens no cycle
        is_recent = key.mode == Mode.FULL and cycle.end > watched_from and is_waited_for(config, key, cycle)
        may_be_late = key in due or is_recent
        statuses.append(_status(key, cycle, contracts[key.feed], ends.get(key), seen, now if may_be_late else None))
    left = ends_left(connection)
    statuses = [
        replace(each, reason=f"the end file that came was left (E207): {left[each.key]}")
        if each.files is None and each.key in left
        else each
        for each in statuses
    ]
    if within.is_all:
        statuses = _with_punctuality(connection, config, contracts, statuses, ends, now, within.source)
    found = _hold(statuses, contracts, words_of(connection, Kind.HELD))
    return found if within.cycles is None else [each for each in found if each.key.cycle in within.cycles]


def closed_cycles(
    connection: Connection, contracts: Contracts, now: datetime, keys: Iterable[CycleKey]
) -> list[CycleKey]:
    """Those of these cycles that are complete, or late or missing whatever their age: no more is to be waited for."""
    keys = list(keys)
    parts = {part: {getattr(key, part) for key in keys} for part in ("feed", "source", "cycle")}
    known = known_cycles(connection, *(offering.c[part].in_(values) for part, values in parts.items()))
    ends = standing_ends(connection, *(end_file.c[part].in_(values) for part, values in parts.items()))
    closed = []
    for key in keys:
        cycle = _cycle(key, contracts)
        if cycle is not None:
            status = _status(key, cycle, contracts[key.feed], ends.get(key), known.get(key, Known()), now)
            if status.state is not CycleState.OPEN:
                closed.append(key)
    return closed


def declared(connection: Connection, key: CycleKey) -> tuple[dict[str, int], dict[str, int]]:
    """Declared records and control totals of the accepted batches of one cycle, by stem."""
    here = [offering.c[part] == value for part, value in vars(key).items()]
    known = known_cycles(connection, *here).get(key, Known())
    return known.records, known.totals


def _cycle(key: CycleKey, contracts: Contracts) -> Cycle | None:
    if key.feed not in contracts or Mode(key.mode) not in contracts[key.feed].modes:
        return None
    return parse_cycle(contracts[key.feed].schedule.cadence, key.cycle)


def _status(
    key: CycleKey, cycle: Cycle, contract: Contract, end: EndFile | None, known: Known, now: datetime | None
) -> CycleStatus:
    """`now` None: nobody waits for this cycle any more, or yet."""
    missing, reason = gaps(end, known.versions), "no end file"
    if end is not None:
        reason = contradiction(end, known.records, known.totals) or (f"{len(missing)} files missing" if missing else "")
    state = CycleState.COMPLETE
    if reason:
        state = CycleState.OPEN
        if now is not None and now >= cycle.late_at(contract.schedule):
            state = CycleState.MISSING if now >= cycle.missing_at(contract.schedule) else CycleState.LATE
    standing = tuple(known.standing[seq] for seq in sorted(known.standing))
    named = needed(end, known.versions)
    if end is not None and not reason and not known.standing.keys() <= named:
        reason = f"not named by the end file: {unnamed(end, standing)}"
    files = None if end is None else end.files
    return CycleStatus(
        key, state, cycle.expected_at(contract.schedule), files, len(known.versions), missing, reason,
        next_seq(known.versions), standing, sum(known.records[stem] for stem in standing),
        is_whole=named <= known.standing.keys(), offerings=frozenset(known.offerings),
        taken_out=known.taken_out(named),
    )  # fmt: skip


def _with_punctuality(
    connection: Connection, config: Config, contracts: Contracts, statuses: list[CycleStatus],
    ends: dict[CycleKey, EndFile], now: datetime, source: str | None,
) -> list[CycleStatus]:  # fmt: skip
    known = Punctuality(connection, source)
    found = []
    for status in statuses:
        cycle = _cycle(status.key, contracts)
        assert cycle is not None, "only sound cycles have a status"
        late_at = cycle.late_at(contracts[status.key.feed].schedule)
        is_on_time = None if now < late_at else False
        if not is_due_by(config.sources.get(status.key.source), cycle):
            is_on_time = None
        elif status.state is CycleState.COMPLETE:
            is_on_time = known.completed_at(status.key, ends[status.key]) < late_at
        found.append(replace(status, is_on_time=is_on_time))
    return found


def _hold(statuses: list[CycleStatus], contracts: Contracts, let_through: Words) -> list[CycleStatus]:
    """E505: a complete full snapshot that shrank too much from the nearest earlier one is held until it is accepted.

    Where no earlier one stands, the last one that was discarded goes on serving: a discard says that its rows are
    wrong, not that whoever the next one leaves out has gone.
    """
    earlier: dict[tuple[str, str], tuple[int, str]] = {}
    taken_out: dict[tuple[str, str], tuple[int, str]] = {}
    found = []
    for status in statuses:  # in the order of cycles
        if status.key.mode == Mode.FULL and status.state is CycleState.COMPLETE:
            feed_source = (status.key.feed, status.key.source)
            if status.is_whole:
                former = earlier.get(feed_source, taken_out.get(feed_source))
                earlier[feed_source] = status.records, f"the snapshot of {status.key.cycle}"
                status = _judged(status, former, contracts[status.key.feed].snapshot_drop_share, let_through)
            elif status.taken_out is not None:
                taken_out[feed_source] = status.taken_out, f"the discarded snapshot of {status.key.cycle}"
        found.append(status)
    return found


def _judged(
    status: CycleStatus, former: tuple[int, str] | None, limit: float | None, let_through: Words
) -> CycleStatus:
    if former is None or limit is None or not _shrank(former[0], status.records, limit):
        return status
    if word := let_through.get((status.key, status.offerings)):
        return replace(status, let_through=word)
    reason = f"E505: {status.records} records, {former[0]} in {former[1]}"
    return replace(status, state=CycleState.HELD, reason=reason)


def _shrank(former: int, records: int, limit: float) -> bool:
    return former - records > Decimal(str(limit)) * former
