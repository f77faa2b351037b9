"""One poll of a producer's directory: what has arrived is taken, the rest is noted and left (section 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

from pipelines.arrival import sort_out
from pipelines.config import SourceConfig
from pipelines.contracts.model import Contract
from pipelines.errors import TransferError
from pipelines.faults import fault_point
from pipelines.ledger.left_files import note_left, overdue
from pipelines.ledger.offerings import State
from pipelines.site import Site
from pipelines.taking import take_pair
from pipelines.taking_ends import take_end
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
    busy: bool = False  # another process takes this feed of this source right now

    def note(self, stem: str, state: State | None) -> None:
        """One batch; None: it was in hand already. A stale one (E504) counts with the refused: it is not loaded."""
        if state is not None:
            known = {State.VERIFIED: self.verified, State.DUPLICATE: self.duplicates}
            known.get(state, self.refused).append(stem)

    def add(self, other: Taken) -> None:
        for name in ("verified", "refused", "duplicates", "ends", "left", "errors"):
            getattr(self, name).extend(getattr(other, name))
        self.busy = self.busy or other.busy


class Tally:
    """Counts batches over all polls that run at once, and tells whoever listens: (done, expected so far)."""

    def __init__(self, tell: Callable[[int, int], None] | None = None) -> None:
        self._tell = tell
        self._lock = Lock()
        self._done = self._expected = 0

    def expect(self, count: int) -> None:
        with self._lock:
            self._expected += count

    def advance(self) -> None:
        with self._lock:
            self._done += 1
            if self._tell is not None:
                self._tell(self._done, self._expected)


def poll_feed(
    site: Site,
    source: SourceConfig,
    contract: Contract,
    transport: Transport,
    cycles: tuple[str, ...],
    tally: Tally | None = None,
) -> Taken:
    """Poll `outgoing/<FEED>/` once: take every batch that has arrived and every end file. Raises TransferError."""
    taken = Taken()
    with site.lock(f"take-{source.source}-{contract.feed}") as mine:
        if not mine:
            taken.busy = True
            return taken
        directory = f"outgoing/{contract.feed}"
        arrivals = sort_out(transport.list(directory), contract.feed, source.source, site.contracts.feed_names)
        with site.ledger.transaction() as connection:
            note_left(connection, source.source, directory, arrivals.left, site.now)
            patience = timedelta(seconds=source.patience_s)
            taken.left = overdue(connection, source.source, directory, site.now - patience)
        fault_point("list")
        pairs = [pair for pair in arrivals.pairs if not cycles or pair.name.cycle in cycles]
        tally = tally or Tally()
        tally.expect(len(pairs))
        failed_before = False
        for pair in pairs:
            try:
                taken.note(pair.name.stem, take_pair(site, contract, transport, pair))
                failed_before = False
            except TransferError as error:  # one file that cannot be read does not keep the others
                if failed_before:
                    raise  # two in a row: it is the server, not a file
                failed_before = True
                taken.errors.append(str(error))
            tally.advance()
        for key, entry in arrivals.ends:
            if not cycles or key.cycle in cycles:
                problem = take_end(site, contract, transport, key, entry.name)
                (taken.left if problem else taken.ends).append(entry.name)
    return taken
