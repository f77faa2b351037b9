"""The copies of a batch: in archive/ (or quarantine/) here and in backup/ on the server (file interface, section 9)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection

from pipelines.acknowledging import backup_path, check_path
from pipelines.archive import keep_all
from pipelines.check_files import CheckDigest
from pipelines.clock import compact
from pipelines.cycles import parse_any_cycle, parse_cycle
from pipelines.errors import TransferError
from pipelines.lanes import Lanes
from pipelines.ledger import offerings
from pipelines.ledger.alarms import Kind, clear_alarm, raise_alarm
from pipelines.ledger.offerings import Offering
from pipelines.ledger.tables import offering
from pipelines.site import Scope, Site, quarantine_place
from pipelines.transfer.base import MOST_SMALL, RemoteMissingError, Transport, at_most

_BLOCK = 1 << 20


class CopyState(StrEnum):
    """What a copy is, against the size and digest that were recorded when the batch came."""

    SOUND = "sound"
    MISSING = "missing"
    DAMAGED = "damaged"
    EXPIRED = "expired"  # deleted after the feed's retention
    UNREAD = "unread"  # the server could not be asked


@dataclass(frozen=True)
class Copies:
    """Both copies of one offering, and where they are or should be."""

    current: Offering
    archive: CopyState
    server: CopyState
    server_place: str
    problem: str = ""

    @property
    def are_sound(self) -> bool:
        return {self.archive, self.server} <= {CopyState.SOUND, CopyState.EXPIRED}


@dataclass(frozen=True)
class Range:
    """Cycles from the start of one to the end of another, of whatever cadence; an empty end is open."""

    first: datetime | None
    last: datetime | None

    @classmethod
    def between(cls, first: str | None, last: str | None) -> Range:
        """Raises UsageError for what is no cycle."""
        start = parse_any_cycle(first).start if first else None
        return cls(start, parse_any_cycle(last).end if last else None)

    def has(self, site: Site, current: Offering) -> bool:
        cycle = parse_cycle(site.contracts[current.feed].schedule.cadence, current.cycle)
        start, end = (cycle.start, cycle.end) if cycle else (current.taken_at, current.taken_at)
        return (self.first is None or start >= self.first) and (self.last is None or end <= self.last)


class FileBlocks:
    """A file in blocks, to be gone through more than once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block


def kept_offerings(site: Site, source: str, scope: Scope, cycles: Range, stem: str | None = None) -> list[Offering]:
    """Offerings of a source whose bytes were kept, within a scope and a range of cycles, oldest first."""
    conditions = [offering.c.source == source, offering.c.kept_in.is_not(None)]
    conditions += [offering.c.stem == stem] if stem else []
    with site.ledger.reading() as connection:
        found = offerings.find(connection, *conditions)
    return [each for each in found if scope.has(each.source, each.feed, each.cycle) and cycles.has(site, each)]


def verify(site: Site, lanes: Lanes, found: list[Offering], tell: Callable[[], None]) -> list[Copies]:
    """Read both copies of each offering and compare them with what was recorded; an unsound one raises E206, once."""

    def look(transport: Transport, current: Offering) -> Copies:
        copies = compare(site, transport, current)
        tell()
        return copies

    outcome = lanes.each(look, found)
    if outcome.broken:
        raise outcome.broken
    results = sorted((copies for _, copies in outcome.done), key=lambda each: each.current.offering_id)
    with site.ledger.transaction() as connection:
        settle_copies(connection, results, site.now)
    return results


def settle_copies(connection: Connection, results: list[Copies], at: datetime) -> None:
    """One alarm a stem of which a copy is unsound (E206), cleared once those of all its offerings are sound."""
    unsound = {each.current.stem: each for each in results if not each.are_sound and not each.problem}
    for stem, each in unsound.items():
        message = f"{each.current.kept_in} is {each.archive}, {each.server_place} on the server is {each.server}"
        raise_alarm(connection, Kind.COPIES, stem, message, at)
    for stem in {each.current.stem for each in results if each.are_sound} - unsound.keys():
        clear_alarm(connection, Kind.COPIES, stem, at)


def compare(site: Site, transport: Transport, current: Offering) -> Copies:
    """The state of both copies of an offering; one that was moved while it was looked at is looked at again."""
    copies = _compare(site, transport, current)
    if not copies.are_sound:
        with site.ledger.reading() as connection:
            now = offerings.get(connection, current.offering_id)
        if now != current:
            return _compare(site, transport, now)
    return copies


def _compare(site: Site, transport: Transport, current: Offering) -> Copies:
    place = server_place(site, current)
    archive = CopyState.EXPIRED if current.archive_pruned_at else local_state(site, current)
    if current.server_pruned_at:
        return Copies(current, archive, CopyState.EXPIRED, place)
    try:
        return Copies(current, archive, _remote(transport, current, place), place)
    except TransferError as error:
        return Copies(current, archive, CopyState.UNREAD, place, str(error))


def server_place(site: Site, current: Offering) -> str:
    """Where the data file of an offering stands on the server, or should."""
    if current.moved_to is not None:
        return current.moved_to
    if current.acknowledged_at is None:
        return f"outgoing/{current.feed}/{current.file_name}"
    return backup_path(site, current)


def restore(site: Site, transport: Transport, copies: Copies) -> tuple[bool, str]:
    """Put a damaged or lost copy back from the other one, which is sound: whether, and what was done or cannot be.

    A damaged copy is put aside, a sound one never touched. Raises TransferError, StoreError.
    """
    with site.batch_locks(copies.current.stem):
        with site.ledger.reading() as connection:
            now = offerings.get(connection, copies.current.offering_id)
        if (now.state, now.kept_in, now.moved_to) != (
            copies.current.state, copies.current.kept_in, copies.current.moved_to
        ):  # fmt: skip
            return False, f"is {now.state} by now, its copies were moved meanwhile; run 'backups restore' again"
        return _restore(site, transport, copies)


def _restore(site: Site, transport: Transport, copies: Copies) -> tuple[bool, str]:
    current = copies.current
    if copies.archive is CopyState.SOUND and copies.server in (CopyState.MISSING, CopyState.DAMAGED):
        if current.acknowledged_at is None:
            return False, "the producer's file is not ours to write: 'tierline load' tells when it is acknowledged"
        done = _restore_server(site, transport, copies)
    elif copies.server is CopyState.SOUND and copies.archive in (CopyState.MISSING, CopyState.DAMAGED):
        done = _restore_archive(site, transport, copies)
    else:
        return False, f"cannot be mended: archive {copies.archive}, server {copies.server}; ask for it to be sent again"
    with site.ledger.transaction() as connection:
        values = {"moved_to": copies.server_place} if copies.archive is CopyState.SOUND else {}
        offerings.note(connection, current, site.change(done), **values)
    return True, done


def local_state(site: Site, current: Offering) -> CopyState:
    """The state of the copy in archive/ or quarantine/, by its digests."""
    states = []
    for name, size, digest in kept_files(current):
        path = kept_directory(site, current) / name
        if not path.is_file():
            states.append(CopyState.MISSING)
        else:
            found = hashlib.sha256()
            for block in FileBlocks(path):
                found.update(block)
            is_same = size in (None, path.stat().st_size) and found.hexdigest() == digest
            states.append(CopyState.SOUND if is_same else CopyState.DAMAGED)
    return _worst(states)


def _remote(transport: Transport, current: Offering, place: str) -> CopyState:
    states = []
    for path, (name, size, digest) in zip((place, check_path(current, place)), kept_files(current), strict=True):
        found = CheckDigest() if name.endswith(".CHK") else hashlib.sha256()
        try:
            transport.read(path, at_most((size or 0) + MOST_SMALL, path, found.update))
        except RemoteMissingError:
            states.append(CopyState.MISSING)
        else:
            states.append(CopyState.SOUND if found.hexdigest() == digest else CopyState.DAMAGED)
    return _worst(states)


def _worst(states: Iterable[CopyState]) -> CopyState:
    return max(states, key=[CopyState.SOUND, CopyState.MISSING, CopyState.DAMAGED].index)


def kept_files(current: Offering) -> list[tuple[str, int | None, str]]:
    """Name, size and sha256 of data and check file, as they came."""
    assert current.digest is not None, "kept bytes were fetched"
    assert current.check_digest is not None, "kept bytes were fetched"
    return [
        (current.file_name, current.bytes, current.digest.removeprefix("sha256:")),
        (f"{current.stem}.CHK", None, current.check_digest),
    ]


def kept_directory(site: Site, current: Offering) -> Path:
    assert current.kept_in is not None, "asked for in the query"
    return site.home.root / current.kept_in


def _restore_server(site: Site, transport: Transport, copies: Copies) -> str:
    directory = copies.server_place.rpartition("/")[0]
    check = check_path(copies.current, copies.server_place)
    if copies.server is CopyState.DAMAGED:
        aside = f"{directory.removesuffix('/refused')}/refused/{compact(site.now)}-damaged-"
        for path in (copies.server_place, check):
            if transport.exists(path):
                transport.rename(path, aside + path.rpartition("/")[2])
    here = kept_directory(site, copies.current)
    transport.write(copies.server_place, FileBlocks(here / copies.current.file_name))
    transport.write(check, FileBlocks(here / f"{copies.current.stem}.CHK"))
    return f"{copies.server_place} on the server restored from {copies.current.kept_in}; it was {copies.server}"


def _restore_archive(site: Site, transport: Transport, copies: Copies) -> str:
    current, here = copies.current, kept_directory(site, copies.current)
    landing = site.home.landing / current.source / "restore"
    landing.mkdir(mode=0o700, parents=True, exist_ok=True)
    places = (copies.server_place, check_path(current, copies.server_place))
    names = [name for name, _, _ in kept_files(current)]
    for (name, size, _), path in zip(kept_files(current), places, strict=True):
        with (landing / name).open("wb") as file:
            transport.read(path, at_most((size or 0) + MOST_SMALL, path, file.write))
    # The server's copy was read once to compare it; what came now is what is kept, so it is what is compared.
    again = _compare_landed(landing, current)
    if again is not CopyState.SOUND:
        raise TransferError(f"{copies.server_place}: expected the bytes that were just compared, found others")
    _put_aside(site, current, here, names)
    keep_all((landing / name, here) for name in names)
    return f"{current.kept_in} restored from {copies.server_place} on the server; it was {copies.archive}"


def _compare_landed(landing: Path, current: Offering) -> CopyState:
    states = []
    for name, _, digest in kept_files(current):
        with (landing / name).open("rb") as file:
            is_same = hashlib.file_digest(file, "sha256").hexdigest() == digest
        states.append(CopyState.SOUND if is_same else CopyState.DAMAGED)
    return _worst(states)


def _put_aside(site: Site, current: Offering, here: Path, names: list[str]) -> None:
    """A damaged copy is evidence: it goes to quarantine, beside nothing else."""
    aside = quarantine_place(site, current) / f"damaged-{compact(site.now)}"
    for name in names:
        if (here / name).exists():
            aside.mkdir(mode=0o700, parents=True, exist_ok=True)
            (here / name).rename(aside / name)
