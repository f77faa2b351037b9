"""What an end file says of its cycle, held against what came: contradictions (E207) and gaps (E502)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pipelines.check_files import EndFile, Unreadable, parse_end_file
from pipelines.cycles import Cycle
from pipelines.names import CycleKey, parse_stem

_MOST_LISTED = 3


def read_end(key: CycleKey, cycle: Cycle | None, content: bytes, now: datetime) -> tuple[str, EndFile | None]:
    """The end file of a cycle, or why it cannot be taken (E207); `cycle` None: its name does not fit the cadence."""
    if cycle is None:
        return f"expected a cycle that fits the cadence and is a real date, found {key.cycle}", None
    if cycle.end > now:
        return f"the cycle ends at {cycle.end}, later than now", None
    try:
        return "", parse_end_file(content, str(key))
    except Unreadable as error:
        return str(error), None


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


def needed(end: EndFile | None, versions: dict[str, str]) -> set[str]:
    """The SEQ that make a cycle whole: those that its end file names; another that was discarded is as never sent."""
    if end is None:
        return set(versions)
    return {name.seq for entry in end.entries if (name := parse_stem(entry.stem)) is not None}


def unnamed(end: EndFile, stems: Iterable[str]) -> str:
    """Of these stems of its cycle those whose SEQ an end file does not name; as words, so the first few."""
    named = needed(end, {})
    found = [stem for stem in stems if (name := parse_stem(stem)) is not None and name.seq not in named]
    return listed(found)


def listed(stems: Sequence[str]) -> str:
    """The first few of some stems."""
    more = f" and {len(stems) - _MOST_LISTED} more" if len(stems) > _MOST_LISTED else ""
    return ", ".join(stems[:_MOST_LISTED]) + more


def next_seq(versions: dict[str, str]) -> str:
    """The first SEQ of which nothing came."""
    return next(seq for number in range(1, 10_001) if (seq := f"{number:04d}") not in versions)


def gaps(end: EndFile | None, versions: dict[str, str]) -> tuple[str, ...]:
    """The stems that an end file names and that no accepted version, or a newer one, stands for; and skipped SEQ."""
    if end is None:
        return ()
    named = [name for entry in end.entries if (name := parse_stem(entry.stem)) is not None]
    found = [name.stem for name in named if versions.get(name.seq, "") < name.version]
    if named:
        seqs = {name.seq for name in named}
        skipped = [f"{number:04d}" for number in range(1, int(max(seqs)) + 1) if f"{number:04d}" not in seqs]
        found += [f"{named[0].cycle_key}_{seq}_00" for seq in skipped if seq not in versions]
    return tuple(sorted(found))
