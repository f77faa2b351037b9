"""What lies in a producer's directory: which batches have arrived, which files are left and why (sections 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.names import DATA_ENDINGS, BatchName, CycleKey, parse_check_name, parse_data_name, parse_end_name
from pipelines.transfer.base import RemoteFile


@dataclass(frozen=True)
class ArrivedPair:
    """A data file whose check file is there."""

    name: BatchName
    data: RemoteFile

    @property
    def check_name(self) -> str:
        return f"{self.name.stem}.CHK"


@dataclass(frozen=True)
class LeftFile:
    """A file that stays where it is. `code` is None for a data file that still waits for its check file."""

    file_name: str
    code: str | None
    reason: str


@dataclass
class Arrivals:
    """One listing, sorted out; `pairs` in the order of their names."""

    pairs: list[ArrivedPair] = field(default_factory=list)
    ends: list[tuple[CycleKey, RemoteFile]] = field(default_factory=list)
    left: list[LeftFile] = field(default_factory=list)


def sort_out(listing: list[RemoteFile], feed: str, source: str, known_feeds: tuple[str, ...]) -> Arrivals:
    """Sort the entries of `outgoing/<feed>/` of a source."""
    arrivals = Arrivals()
    data: dict[str, list[tuple[BatchName, RemoteFile]]] = {}
    checks: dict[str, str] = {}
    for entry in sorted(listing, key=lambda each: each.name):
        if entry.name.endswith(".tmp") or (entry.name.startswith(".") and "/" not in entry.name):
            continue
        name = parse_data_name(entry.name) or parse_check_name(entry.name) or parse_end_name(entry.name)
        problem = left_for(entry, name, feed, source, known_feeds)
        if problem is not None:
            arrivals.left.append(problem)
        elif isinstance(name, CycleKey):
            arrivals.ends.append((name, entry))
        elif name is not None and entry.name.endswith(DATA_ENDINGS):
            data.setdefault(name.stem, []).append((name, entry))
        elif name is not None:
            checks[name.stem] = entry.name
    _pair(arrivals, data, checks)
    return arrivals


def left_for(
    entry: RemoteFile, name: BatchName | CycleKey | None, feed: str, source: str, known_feeds: tuple[str, ...]
) -> LeftFile | None:
    """Why an entry is left where it is (E101 to E103), or None. `name` is what its name says."""
    if name is None:
        return LeftFile(entry.name, "E101", "expected FEED_SOURCE_MODE_CYCLE_SEQ_VERSION.DAT[.gz], .CHK, or .END")
    if not entry.is_regular:
        return LeftFile(entry.name, "E101", "expected a regular file, found a directory, link or other entry")
    if name.feed not in known_feeds:
        return LeftFile(entry.name, "E102", f"no contract for feed {name.feed}; there are {', '.join(known_feeds)}")
    if name.feed != feed:
        return LeftFile(entry.name, "E102", f"expected feed {feed} in this directory, found {name.feed}")
    if name.source != source:
        return LeftFile(entry.name, "E103", f"expected source {source} on this server, found {name.source}")
    return None


def _pair(arrivals: Arrivals, data: dict[str, list[tuple[BatchName, RemoteFile]]], checks: dict[str, str]) -> None:
    for stem, files in data.items():
        if len(files) > 1:
            reason = "expected one data file a stem, found .DAT and .DAT.gz"
            arrivals.left += [LeftFile(entry.name, "E101", reason) for _, entry in files]
        elif stem in checks:
            arrivals.pairs.append(ArrivedPair(*files[0]))
        else:
            arrivals.left.append(LeftFile(files[0][1].name, None, "waits for its check file"))
    for stem, check_name in checks.items():
        if stem not in data:
            arrivals.left.append(LeftFile(check_name, None, "waits for its data file"))
