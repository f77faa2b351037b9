"""Which cycles are complete, open, late or missing: a function of ledger, contracts and clock (section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, select

from pipelines.check_files import EndFile
from pipelines.config import Config, SourceConfig
from pipelines.contracts.model import Contract, Contracts, Mode
from pipelines.cycles import cycle_at, parse_cycle
from pipelines.ledger.end_files import standing_ends
from pipelines.ledger.offerings import ACCEPTED, STANDING, State
from pipelines.ledger.tables import offering
from pipelines.names import CycleKey, parse_stem


class CycleState(StrEnum):
    OPEN = "open"
    COMPLETE = "complete"
    HELD = "held"
    LATE = "late"
    MISSING = "missing"


@dataclass(frozen=True)
class CycleStatus:
    """One cycle of a feed, source and mode. `gaps`: stems that its end file names and that were not accepted (E502)."""

    key: CycleKey
    state: CycleState
    expected_at: datetime
    files: int | None  # as the end file says; None while there is none
    accepted: int
    gaps: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class _Known:
    """What the ledger knows of one SEQ: the newest accepted version, and declared counts by stem."""

    accepted: dict[CycleKey, dict[str, str]]  # SEQ → newest accepted version
    records: dict[str, int]  # stem → records as its check file declares
    totals: dict[str, int]  # stem → control total as its trailer declares


def cycle_statuses(connection: Connection, config: Config, contracts: Contracts, now: datetime) -> list[CycleStatus]:
    """Every cycle that was seen or is due, by feed, source, mode and cycle. Due are those that ended by `now`."""
    known, seen = _known(connection)
    ends = standing_ends(connection)
    keys = seen | set(ends)
    for source in config.sources.values():
        for feed in source.feeds:
            keys |= set(_due(contracts[feed], source, keys, now, config.watch_days))
    statuses = (_status(key, contracts, ends.get(key), known, now) for key in sorted(keys) if key.feed in contracts)
    return [status for status in statuses if status is not None]


def contradiction(end: EndFile, records: dict[str, int], totals: dict[str, int]) -> str:
    """Where an end file and the check files and trailers differ (E207); empty where they agree as far as is known."""
    for entry in end.entries:
        if records.get(entry.stem, entry.records) != entry.records:
            return (
                f"expected {records[entry.stem]} records of {entry.stem} as its check file says, found {entry.records}"
            )
    if all(entry.stem in totals for entry in end.entries):
        total = sum(totals[entry.stem] for entry in end.entries)
        if total != end.control_total:
            return f"expected the control total {total} as the trailers say, found {end.control_total}"
    return ""


def declared(connection: Connection, key: CycleKey) -> tuple[dict[str, int], dict[str, int]]:
    """Declared records and control totals of the accepted batches of one cycle, by stem."""
    known, _ = _known(connection, key)
    return known.records, known.totals


def _known(connection: Connection, key: CycleKey | None = None) -> tuple[_Known, set[CycleKey]]:
    known = _Known({}, {}, {})
    seen: set[CycleKey] = set()
    query = select(offering)
    if key is not None:
        query = query.where(*(offering.c[part] == getattr(key, part) for part in ("feed", "source", "mode", "cycle")))
    for row in connection.execute(query):
        row_key = CycleKey(row.feed, row.source, row.mode, row.cycle)
        seen.add(row_key)
        if row.state == State.VERIFIED:
            known.records.setdefault(row.stem, row.records)
        if row.state not in ACCEPTED:
            continue
        versions = known.accepted.setdefault(row_key, {})
        versions[row.seq] = max(row.version, versions.get(row.seq, ""))
        known.records[row.stem] = row.records
        if row.state in STANDING or row.control_total is not None:
            known.totals[row.stem] = row.control_total
    return known, seen


def _due(
    contract: Contract, source: SourceConfig, seen: set[CycleKey], now: datetime, watch_days: int
) -> Iterator[CycleKey]:
    cadence = contract.schedule.cadence
    prefix = (contract.feed, source.source, Mode.INCREMENT)
    mine = [key.cycle for key in seen if (key.feed, key.source, key.mode) == prefix]
    first_seen = [known.start for text in mine if (known := parse_cycle(cadence, text)) is not None]
    if source.since is not None:
        since = datetime.combine(source.since, datetime.min.time())
    elif first_seen:
        since = min(first_seen)
    else:
        return
    cycle = cycle_at(cadence, max(since, now - timedelta(days=watch_days)))
    while cycle.end <= now:
        yield CycleKey(contract.feed, source.source, Mode.INCREMENT.value, cycle.text)
        cycle = cycle.next


def _status(
    key: CycleKey, contracts: Contracts, end: EndFile | None, known: _Known, now: datetime
) -> CycleStatus | None:
    schedule = contracts[key.feed].schedule
    cycle = parse_cycle(schedule.cadence, key.cycle)
    if cycle is None or cycle.end > now:
        return None  # such a batch is refused (E104, E105): it opens no cycle
    versions = known.accepted.get(key, {})
    gaps, reason = _gaps(end, versions), "no end file"
    if end is not None:
        reason = contradiction(end, known.records, known.totals) or (f"{len(gaps)} files missing" if gaps else "")
    state = CycleState.COMPLETE
    if reason:
        late = now >= cycle.late_at(schedule)
        missing = now >= cycle.missing_at(schedule)
        state = CycleState.MISSING if missing else CycleState.LATE if late else CycleState.OPEN
    files = None if end is None else end.files
    return CycleStatus(key, state, cycle.expected_at(schedule), files, len(versions), gaps, reason)


def _gaps(end: EndFile | None, versions: dict[str, str]) -> tuple[str, ...]:
    """The stems that an end file names and that no accepted version, or a newer one, stands for; and skipped SEQ."""
    if end is None:
        return ()
    named = [name for entry in end.entries if (name := parse_stem(entry.stem)) is not None]
    gaps = [name.stem for name in named if versions.get(name.seq, "") < name.version]
    if named:
        seqs = {name.seq for name in named}
        skipped = [f"{number:04d}" for number in range(1, int(max(seqs)) + 1) if f"{number:04d}" not in seqs]
        gaps += [f"{named[0].cycle_key}_{seq}_00" for seq in skipped if seq not in versions]
    return tuple(sorted(gaps))
