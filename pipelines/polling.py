"""One poll of a producer's directories: what has arrived is taken, the rest is noted and left (section 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

from pipelines.arrival import Arrivals, ArrivedPair, LeftFile, sort_out
from pipelines.aside import put_aside_discarded
from pipelines.config import SourceConfig
from pipelines.contracts.model import Contract
from pipelines.errors import TransferError
from pipelines.faults import fault_point
from pipelines.lanes import GONE, Lanes
from pipelines.ledger.alarms import Kind, settle_alarms
from pipelines.ledger.left_files import note_left, overdue
from pipelines.ledger.offerings import State
from pipelines.site import Site
from pipelines.taking import groups, take_group
from pipelines.taking_ends import take_ends
from pipelines.transfer.base import Transport


@dataclass
class Taken:
    """What one poll of a directory came to: stems by what became of them."""

    verified: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)  # files or feeds that could not be read; the rest was taken
    busy: list[str] = field(default_factory=list)  # feeds that another process takes right now

    def note(self, stem: str, state: State) -> None:
        """One batch. A stale one (E504) counts with the refused: it is not loaded."""
        known = {State.VERIFIED: self.verified, State.DUPLICATE: self.duplicates}
        known.get(state, self.refused).append(stem)

    def add(self, other: Taken) -> None:
        for name in vars(self):
            getattr(self, name).extend(getattr(other, name))


class Tally:
    """Counts batches over all polls that run at once, and tells whoever listens: (done, expected so far)."""

    def __init__(self, tell: Callable[[int, int], None] | None = None) -> None:
        self._tell = tell
        self._lock = Lock()
        self._done = self._expected = 0

    def expect(self, count: int) -> None:
        with self._lock:
            self._expected += count

    def advance(self, count: int) -> None:
        with self._lock:
            self._done += count
            if self._tell is not None:
                self._tell(self._done, self._expected)


def poll_feed(
    site: Site, source: SourceConfig, contract: Contract, lanes: Lanes, cycles: tuple[str, ...], tally: Tally
) -> Taken:
    """Poll `outgoing/<FEED>/` once: take every batch that has arrived and every end file. Raises TransferError."""
    taken = Taken()
    with site.lock(f"take-{source.source}-{contract.feed}") as mine:
        if not mine:
            taken.busy.append(f"{contract.feed} of {source.source}")
            return taken
        directory = f"outgoing/{contract.feed}"
        arrivals = sort_out(lanes.first.list(directory), contract.feed, source.source, site.contracts.feed_names)
        fault_point("list")
        _tidy(site, source, contract, arrivals)
        left = list(arrivals.left)
        waiting = {pair.data.name for pair in arrivals.pairs} | {entry.name for _, entry in arrivals.ends}
        try:
            due = [pair for pair in arrivals.pairs if not cycles or pair.name.cycle in cycles]
            tally.expect(len(due))
            for pairs in groups(due):
                left += _take(site, contract, lanes, pairs, tally, taken)
                waiting -= {pair.data.name for pair in pairs}
            ends = [each for each in arrivals.ends if not cycles or each[0].cycle in cycles]
            names, contradicted, errors = take_ends(site, contract, lanes.first, ends)
            waiting -= {entry.name for _, entry in ends}
            taken.errors += errors
            taken.ends += names
            left += contradicted
        finally:
            taken.left += _note_left(site, source, directory, left, waiting)
    return taken


def poll_outgoing(site: Site, source: SourceConfig, transport: Transport) -> list[str]:
    """What lies in `outgoing/` itself and is no directory of a feed that the source is configured for: noted, left.

    Nothing where the server does not let us list it. Raises TransferError where there is no connection.
    """
    try:
        entries = transport.list("outgoing")
    except GONE:
        raise
    except TransferError:  # often on purpose, for good, and no batch lies here: `doctor` warns, not every poll
        return []
    strangers = [
        LeftFile(entry.name, "E102", "expected only directories of the feeds that tierline.yaml lists for this source")
        for entry in entries
        if entry.name not in source.feeds and not entry.name.startswith(".") and not entry.name.endswith(".tmp")
    ]
    return _note_left(site, source, "outgoing", strangers, set())


def _take(
    site: Site, contract: Contract, lanes: Lanes, pairs: list[ArrivedPair], tally: Tally, taken: Taken
) -> list[LeftFile]:
    """Take a group of pairs; returns the files that are left because they still change. Raises TransferError."""
    group = take_group(site, contract, lanes, pairs)
    for stem, state in group.judged:
        taken.note(stem, state)
    taken.errors += group.errors
    if group.broken:
        raise group.broken
    tally.advance(len(pairs))
    return group.changing


def _tidy(site: Site, source: SourceConfig, contract: Contract, arrivals: Arrivals) -> None:
    """Make way for what may come: discarded batches leave the archive's names, parts of files that are gone go."""
    put_aside_discarded(site, source.source, contract.feed)
    landing = site.home.landing / source.source
    landing.mkdir(mode=0o700, parents=True, exist_ok=True)
    coming = {f"{pair.data.name}.part" for pair in arrivals.pairs}
    for part in landing.glob(f"{contract.feed}_*.part"):
        if part.name not in coming:
            part.unlink()


def _note_left(
    site: Site, source: SourceConfig, directory: str, left: Iterable[LeftFile], not_looked_at: set[str]
) -> list[str]:
    """Note what stays on the server; returns the names to report: at once, or after the source's patience."""
    at = site.now
    with site.ledger.transaction() as connection:
        note_left(connection, source.source, directory, left, not_looked_at, at)
        due = overdue(connection, source.source, directory, at - timedelta(seconds=source.patience_s))
        place = f"{source.source} {directory}/"
        found = {f"{place}{name}": f"{code or ''} {reason}".strip() for name, code, reason in due}
        settle_alarms(connection, Kind.LEFT, found, lambda subject: subject.rpartition("/")[0] + "/" == place, at)
    return [name for name, _, _ in due]
