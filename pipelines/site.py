"""A home directory and everything that is agreed for it: what every step works on."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import select

from pipelines.checks.places import StagedPaths
from pipelines.clock import now
from pipelines.config import Config, SourceConfig
from pipelines.contracts.model import Contract, Contracts
from pipelines.cycles import LENGTHS, parse_cycle
from pipelines.errors import ConfigurationError, StoreError
from pipelines.ledger.offerings import ACCEPTED, Change, Offering
from pipelines.ledger.store import LedgerStore
from pipelines.ledger.tables import offering
from pipelines.locks import FileLocks, Locks
from pipelines.names import BatchName
from pipelines.objects import NoObjects, Objects, ObjectStore
from pipelines.policy import Policy
from pipelines.rights import make_shared


@dataclass(frozen=True)
class Home:
    """The directories of a home; all are made for their owner, `bi/` for readers in the group too.

    What workers share stands below `shared`, the rest below `root`; for a home of one machine these are the same.
    """

    root: Path
    apart: Path | None = None

    @property
    def shared(self) -> Path:
        """What the ledger's paths of batches start from."""
        return self.apart or self.root

    def __getattr__(self, name: str) -> Path:
        if name in DIRECTORIES:
            return (self.shared if name in SHARED else self.root) / name
        raise AttributeError(name)

    def make(self, *, is_mounted: bool = False) -> None:
        """Make what is missing; nothing of what is shared where that is another's, for the mount may be missing.

        Raises ConfigurationError for such.
        """
        if is_mounted and (missing := [name for name in SHARED if not getattr(self, name).is_dir()]):
            raise ConfigurationError(
                f"{self.shared}: expected {', '.join(missing)} in it, found none; mount what the key shared of "
                "tierline.yaml names, and run the home with the warehouse first, which makes them"
            )
        make_shared(self.bi)
        for name in DIRECTORIES:
            getattr(self, name).mkdir(mode=0o700, parents=True, exist_ok=True)


WRITER = "warehouse"  # the lock of the one process that may write the warehouse
_LONGEST_ACTOR = 80  # as the ledger's column
SHARED = ("landing", "staged", "archive", "quarantine")  # on one file system: bytes are renamed from one to another
DIRECTORIES = (*SHARED, "warehouse", "bi", "publish", "logs")


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
    """One installation at work. `actor` stands in the ledger for whoever runs the step.

    `as_found`: a ledger that an older release made is looked at and not brought along.
    """

    home: Home
    config: Config
    contracts: Contracts
    policy: Policy
    actor: str
    as_found: bool = False

    @cached_property
    def ledger(self) -> LedgerStore:
        url, secret = self.config.ledger_url(self.home.root), self.config.ledger_secret
        if url.get_backend_name() == "sqlite":
            self._require_ledger_file(Path(str(url.database)))
        return LedgerStore(url, secret.read() if secret else None, as_found=self.as_found)

    def _require_ledger_file(self, path: Path) -> None:
        """A new ledger beside an archive would have all that it knows nothing of sent again, with an alarm for each."""
        if not path.exists() and any(self.home.archive.iterdir()):
            raise StoreError(
                f"expected the ledger {path}, found none beside {self.home.archive}, which holds batches; see the key "
                "ledger of tierline.yaml, or put its newest copy back; where it is lost: "
                "docs/engineers/deployment.md, 'A ledger that is lost'"
            )

    @cached_property
    def objects(self) -> Objects:
        """Where the files of batches count: in an object store, or where they stand."""
        store = self.config.workers.store
        return ObjectStore(store, self.home.root) if store else NoObjects()

    @cached_property
    def _file_locks(self) -> FileLocks:
        return FileLocks(self.home.root / "locks")

    @property
    def _locks(self) -> Locks:
        """Those of the ledger's PostgreSQL, which all workers reach; else those of this machine."""
        return self.ledger.locks or self._file_locks

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

    def lock(self, what: str, *, wait: bool = False) -> AbstractContextManager[bool]:
        """Hold a lock of this installation, named by what it guards; gives False where another process holds it.

        It ends with the process, however that ends, so none is ever left behind.
        """
        # The writer's guards a file of this machine, and lasts as that does: whatever becomes of the ledger's server
        # during a build of hours, no second writer comes.
        return (self._file_locks if what == WRITER else self._locks).hold([what], wait=wait)

    def batch_locks(self, *stems: str, wait: bool = True) -> AbstractContextManager[bool]:
        """Hold what guards batches while they are judged, retried or discarded; waits for whoever has it.

        Without `wait` it gives False where another holds one of them, and holds none.
        """
        return self._locks.hold(self._locks.names_of(stems), wait=wait)

    def relative(self, path: Path) -> str:
        """A path of a batch, below what workers share, as the ledger keeps it."""
        return str(path.relative_to(self.home.shared))


def require_cadences(site: Site) -> None:
    """Every feed keeps the cadence of the cycles that were accepted of it; any one tells, and is found at once.

    Under another cadence these would be no cycles any more: alarms would end as if mended, and what comes be refused.
    Raises StoreError.
    """
    with site.ledger.reading() as connection:
        for contract in site.contracts.feeds:
            cadence = contract.schedule.cadence
            of_feed = (offering.c.feed == contract.feed, offering.c.state.in_(ACCEPTED))
            cycle = connection.scalar(select(offering.c.cycle).where(*of_feed).limit(1))
            if cycle and len(cycle) != LENGTHS[cadence]:
                (was,) = (each for each in LENGTHS if LENGTHS[each] == len(cycle))
                raise StoreError(
                    f"{contract.feed}: expected the cadence {was} in its contract, as of the cycle {cycle} in the "
                    f"ledger, found {cadence}; put it back, or give what comes {cadence} a feed of its own"
                )


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
