"""What an end file says of its cycle, held against what came: contradictions (E207) and gaps (E502)."""

from __future__ import annotations

from pipelines.check_files import EndFile
from pipelines.names import parse_stem


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
