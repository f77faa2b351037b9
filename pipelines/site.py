"""A home directory and everything that is agreed for it: what every step works on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from zlib import crc32

from pipelines.checks.places import StagedPaths
from pipelines.clock import now
from pipelines.config import Config, SourceConfig
from pipelines.contracts.model import Contract, Contracts
from pipelines.cycles import parse_cycle
from pipelines.errors import StoreError
from pipelines.ledger.offerings import Change, Offering
from pipelines.ledger.store import LedgerStore
from pipelines.names import BatchName
from pipelines.policy import Policy
from pipelines.rights import make_shared


@dataclass(frozen=True)
class Home:
    """The directories below a home; all are made for their owner, `bi/` for readers in the group too."""

    root: Path

    def __getattr__(self, name: str) -> Path:
        if name in DIRECTORIES:
            return self.root / name
        raise AttributeError(name)

    def make(self) -> None:
        make_shared(self.bi)
        for name in DIRECTORIES:
            (self.root / name).mkdir(mode=0o700, parents=True, exist_ok=True)


# So many batches can be judged at once; which lock is a batch's follows from its stem, so no lock file is left over.
_BATCH_LOCKS = 64
WRITER = "warehouse"  # the lock of the one process that may write the warehouse
_LONGEST_ACTOR = 80  # as the ledger's column
DIRECTORIES = ("landing", "staged", "archive", "quarantine", "warehouse", "bi", "publish", "logs")


@dataclass(frozen=True)
class Scope:
    """What a step is narrowed to; an empty part means all."""

    sources: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    cycles: tuple[str, ...] = ()

    def has(self, source: str, feed: str, cycle: str | None = None) -> bool:
        return (
            (not self.sources or source in self.sources)
            and (not self.feeds or feed in self.feeds)
            and (not self.cycles or cycle is None or cycle in self.cycles)
        )


@dataclass(frozen=True)
class Site:
    """One installation at work. `actor` stands in the ledger for whoever runs the step."""

    home: Home
    config: Config
    contracts: Contracts
    policy: Policy
    actor: str

    @cached_property
    def ledger(self) -> LedgerStore:
        secret = self.config.ledger_secret
        return LedgerStore(self.config.ledger_url(self.home.root), secret.read() if secret else None)

    def close(self) -> None:
        """End the ledger's connections, where there are any."""
        if "ledger" in self.__dict__:
            self.ledger.close()

    @property
    def now(self) -> datetime:
        return now()

    def change(self, cause: str) -> Change:
        return Change(cause, self.actor[:_LONGEST_ACTOR], self.now)

    def source(self, source: str) -> SourceConfig:
        return self.config.sources[source]

    def feeds_of(self, source: SourceConfig, scope: Scope) -> list[Contract]:
        """The contracts of the feeds that a source sends, within a scope."""
        return [self.contracts[feed] for feed in source.feeds if scope.has(source.source, feed)]

    def staged_paths(self, name: BatchName, day: date) -> StagedPaths:
        """Where the staged rows and rejects of a batch stand."""
        directory = self.home.staged / name.feed / day_path(day)
        return StagedPaths(directory / f"{name.stem}.parquet", directory / f"{name.stem}.rejects.parquet")

    @contextmanager
    def lock(self, what: str, *, wait: bool = False) -> Iterator[bool]:
        """Hold a lock of this home, named by what it guards; yields False where another process holds it.

        The lock is the kernel's: it ends with the process, however that ends, so none is ever left behind.
        """
        directory = self.home.root / "locks"
        directory.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(directory / f"{what}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(descriptor)

    @contextmanager
    def batch_locks(self, *stems: str) -> Iterator[None]:
        """Hold what guards batches while they are judged, retried or discarded; waits for whoever has it.

        They are taken in one order by all, so that no two wait for each other.
        """
        with ExitStack() as held:
            for number in sorted({crc32(stem.encode()) % _BATCH_LOCKS for stem in stems}):
                held.enter_context(self.lock(f"check-{number:02d}", wait=True))
            yield

    def relative(self, path: Path) -> str:
        """A path below the home as the ledger keeps it."""
        return str(path.relative_to(self.home.root))


def cycle_day(site: Site, current: Offering) -> date:
    """The day that a batch's directories are named after: its cycle's, or the day it was taken where that is no day."""
    cycle = parse_cycle(site.contracts[current.feed].schedule.cadence, current.cycle)
    return cycle.day if cycle else current.taken_at.date()


def archive_place(site: Site, current: Offering) -> Path:
    """The directory where the bytes of an accepted batch are kept."""
    return site.home.archive / current.feed / day_path(cycle_day(site, current))


def quarantine_place(site: Site, current: Offering) -> Path:
    """Where the bytes of a refused offering are kept: apart for each, so that no bytes ever take another's place."""
    directory = site.home.quarantine / current.feed / day_path(cycle_day(site, current))
    return directory / f"{current.offering_id:06d}"


def day_path(day: date) -> str:
    """YYYY/MM/DD, as archive, staged and quarantine are laid out."""
    return day.strftime("%Y/%m/%d")


def require_free_space(directory: Path, needed: int) -> None:
    """Stop before a step that would fill the disk; raises StoreError."""
    free = free_bytes(directory)
    if free < needed:
        raise StoreError(
            f"{directory}: expected {needed >> 20} MiB of free space, found {free >> 20}; free some and run again"
        )


def free_bytes(directory: Path) -> int:
    """The free space of the file system of a directory, for who is not root."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize
