"""The two copies of a batch, each held against what was recorded when it came (file interface, section 9)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipelines.acknowledging import backup_path, check_path
from pipelines.check_files import CheckDigest
from pipelines.errors import TransferError
from pipelines.lanes import GONE
from pipelines.ledger import offerings
from pipelines.ledger.offerings import STANDING, Offering
from pipelines.site import Site
from pipelines.staged_rows import rows_trouble
from pipelines.transfer.base import MOST_SMALL, OverrunError, RemoteMissingError, StalledError, Transport, at_most

_BLOCK = 1 << 20


class CopyState(StrEnum):
    """What a copy is, against the size and digest that were recorded when the batch came."""

    SOUND = "sound"
    MISSING = "missing"
    DAMAGED = "damaged"
    EXPIRED = "expired"  # deleted after the feed's retention
    UNREAD = "unread"  # the server could not be asked
    UNASKED = "unasked"  # that of a source which the configuration names no longer


@dataclass(frozen=True)
class Copies:
    """Both copies of one offering, and where they are or should be."""

    current: Offering
    archive: CopyState
    server: CopyState
    server_place: str
    problem: str = ""
    lost_rows: str = ""  # of a batch that stands by its staged rows alone: what is wrong with them

    @property
    def are_sound(self) -> bool:
        known = {CopyState.SOUND, CopyState.EXPIRED, CopyState.UNASKED}
        return {self.archive, self.server} <= known and not self.lost_rows

    @property
    def is_one_unsound(self) -> bool:
        """Whether a copy is known to be lost or damaged; of one that could not be read nothing is known."""
        unsound = {CopyState.MISSING, CopyState.DAMAGED}
        return bool(self.lost_rows) or not {self.archive, self.server}.isdisjoint(unsound)


class FileBlocks:
    """A file in blocks, to be gone through more than once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block


def compare(site: Site, transport: Transport, current: Offering) -> Copies:
    """The state of both copies of an offering; one that was moved while it was looked at is looked at again.

    Raises TransferError (GONE) where the connection is lost for good; one file that cannot be read is UNREAD.
    """
    copies = _compare(site, transport, current)
    if not copies.are_sound:
        with site.ledger.reading() as connection:
            now = offerings.get(connection, current.offering_id)
        if now != current:
            return _compare(site, transport, now)
    return copies


def compare_here(site: Site, current: Offering, problem: str) -> Copies:
    """As `compare`, where the server cannot be asked any more, or is not to be."""
    with site.ledger.reading() as connection:
        now = offerings.get(connection, current.offering_id)
    unknown = CopyState.UNREAD if now.source in site.config.sources else CopyState.UNASKED
    server = CopyState.EXPIRED if now.server_pruned_at else unknown
    archive, lost_rows = _archive_state(site, now)
    return Copies(now, archive, server, server_place(site, now), problem, lost_rows)


def _compare(site: Site, transport: Transport, current: Offering) -> Copies:
    place, (archive, lost_rows) = server_place(site, current), _archive_state(site, current)
    if current.server_pruned_at:
        return Copies(current, archive, CopyState.EXPIRED, place, lost_rows=lost_rows)
    try:
        return Copies(current, archive, _remote(transport, current, place), place, lost_rows=lost_rows)
    except TransferError as error:
        if isinstance(error, GONE) and not isinstance(error, StalledError):  # one file that stalls keeps no other
            raise
        return Copies(current, archive, CopyState.UNREAD, place, str(error), lost_rows)


def _archive_state(site: Site, current: Offering) -> tuple[CopyState, str]:
    """The state of the copy here; where it expired, what is wrong with the staged rows that the batch stands by."""
    if current.archive_pruned_at is None:
        return local_state(site, current), ""
    return CopyState.EXPIRED, rows_trouble(site, current) if current.state in STANDING else ""


def server_place(site: Site, current: Offering) -> str:
    """Where the data file of an offering stands on the server, or should."""
    if current.moved_to is not None:
        return current.moved_to
    if current.acknowledged_at is None:
        return f"outgoing/{current.feed}/{current.file_name}"
    return backup_path(site, current)


def local_state(site: Site, current: Offering) -> CopyState:
    """The state of the copy in archive/ or quarantine/, by its digests."""
    states = []
    directory = kept_directory(site, current)
    lost = site.objects.bring((directory / name for name, _, _ in kept_files(current)), afresh=True)
    for name, size, digest in kept_files(current):
        path = directory / name
        if path in lost or not path.is_file():
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
            with suppress(OverrunError):  # far more than what came: other bytes, as the digest says
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
    return site.home.shared / current.kept_in


def landed_state(landing: Path, current: Offering) -> CopyState:
    """The state of what was received from the server, before it is kept."""
    states = []
    for name, _, digest in kept_files(current):
        with (landing / name).open("rb") as file:
            is_same = hashlib.file_digest(file, "sha256").hexdigest() == digest
        states.append(CopyState.SOUND if is_same else CopyState.DAMAGED)
    return _worst(states)
