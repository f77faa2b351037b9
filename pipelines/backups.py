"""Auditing and mending the copies of batches, in archive/ here and in backup/ on the server (section 9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, select

from pipelines.acknowledging import check_path
from pipelines.archive import keep_all
from pipelines.clock import compact
from pipelines.copies import (
    Copies,
    CopyState,
    FileBlocks,
    compare,
    compare_here,
    kept_directory,
    kept_files,
    landed_state,
)
from pipelines.cycles import parse_any_cycle, parse_cycle
from pipelines.errors import TransferError, UsageError
from pipelines.lanes import Lanes
from pipelines.ledger import offerings
from pipelines.ledger.alarms import Kind, clear_alarm, raise_alarm
from pipelines.ledger.offerings import Offering
from pipelines.ledger.tables import offering
from pipelines.site import Scope, Site, quarantine_place
from pipelines.transfer.base import MOST_SMALL, Transport, at_most


@dataclass(frozen=True)
class Range:
    """Cycles from the start of one to the end of another, of whatever cadence; an empty end is open."""

    first: datetime | None
    last: datetime | None

    @classmethod
    def between(cls, first: str | None, last: str | None) -> Range:
        """Raises UsageError for what is no cycle, and for a last one that is over when the first begins."""
        start = parse_any_cycle(first).start if first else None
        end = parse_any_cycle(last).end if last else None
        if start and end and end <= start:
            raise UsageError(f"--from {first} --to {last}: expected the first cycle not after the last")
        return cls(start, end)

    def has(self, site: Site, current: Offering) -> bool:
        cycle = parse_cycle(site.contracts[current.feed].schedule.cadence, current.cycle)
        start, end = (cycle.start, cycle.end) if cycle else (current.taken_at, current.taken_at)
        return (self.first is None or start >= self.first) and (self.last is None or end <= self.last)


def kept_sources(site: Site, scope: Scope) -> list[str]:
    """Sources within a scope: those that are configured, and those that were, of which bytes are kept."""
    query = select(offering.c.source).where(offering.c.kept_in.is_not(None)).distinct().order_by(offering.c.source)
    with site.ledger.reading() as connection:
        found = dict.fromkeys([*site.config.sources, *connection.execute(query).scalars()])
    return [source for source in found if not scope.sources or source in scope.sources]


def reach(site: Site, source: str) -> Lanes:
    """Connections to a source. Raises TransferError, also for one that is not configured any more."""
    if source not in site.config.sources:
        raise TransferError(f"expected {source} in tierline.yaml, found it gone; name it there to reach its server")
    return Lanes(site.source(source))


def kept_offerings(
    site: Site, source: str, scope: Scope, cycles: Range, stem: str | None = None, taken_since: datetime | None = None
) -> list[Offering]:
    """Offerings of a source whose bytes were kept, within a scope and a range of cycles, oldest first."""
    conditions = [offering.c.source == source, offering.c.kept_in.is_not(None)]
    conditions += [offering.c.stem == stem] if stem else []
    conditions += [offering.c.taken_at >= taken_since] if taken_since else []
    with site.ledger.reading() as connection:
        found = offerings.find(connection, *conditions)
    return [each for each in found if scope.has(each.source, each.feed, each.cycle) and cycles.has(site, each)]


def verify_source(site: Site, source: str, found: list[Offering], tell: Callable[[], None]) -> list[Copies]:
    """As `verify`, of the offerings of a source that may be out of reach: then the copies here are looked at alone."""
    if not found:
        return []
    try:
        lanes = reach(site, source)
    except TransferError as error:
        return _settled(site, _compare_here(site, found, str(error), tell))
    with lanes:
        return verify(site, lanes, found, tell)


def verify(site: Site, lanes: Lanes, found: list[Offering], tell: Callable[[], None]) -> list[Copies]:
    """Read both copies of each offering and compare them with what was recorded; an unsound one raises E206, once.

    Where the connection is lost for good, the copies here are looked at all the same: those on the server are UNREAD.
    """

    def look(transport: Transport, current: Offering) -> Copies:
        copies = compare(site, transport, current)
        tell()
        return copies

    outcome = lanes.each(look, found)
    results = [copies for _, copies in outcome.done]
    if outcome.broken:
        seen = {each.offering_id for each, _ in outcome.done}
        rest = [each for each in found if each.offering_id not in seen]
        results += _compare_here(site, rest, str(outcome.broken), tell)
    return _settled(site, results)


def _compare_here(site: Site, found: list[Offering], problem: str, tell: Callable[[], None]) -> list[Copies]:
    results = []
    for each in found:
        results.append(compare_here(site, each, problem))
        tell()
    return results


def _settled(site: Site, results: list[Copies]) -> list[Copies]:
    results.sort(key=lambda each: each.current.offering_id)
    with site.ledger.transaction() as connection:
        settle_copies(connection, results, site.now)
    return results


def settle_copies(connection: Connection, results: list[Copies], at: datetime) -> None:
    """One alarm a stem of which a copy is unsound (E206), cleared once those of all its offerings are sound."""
    unsound = {each.current.stem: each for each in results if each.is_one_unsound}
    for stem, each in unsound.items():
        message = f"{each.current.kept_in} is {each.archive}, {each.server_place} on the server is {each.server}"
        message += f"; {each.lost_rows}" if each.lost_rows else ""
        raise_alarm(connection, Kind.COPIES, stem, message, at)
    unsure = {each.current.stem for each in results if not each.are_sound}
    for stem in {each.current.stem for each in results} - unsure:
        clear_alarm(connection, Kind.COPIES, stem, at)


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
    elif copies.server is CopyState.SOUND and (
        copies.archive in (CopyState.MISSING, CopyState.DAMAGED) or copies.lost_rows
    ):
        done = _restore_archive(site, transport, copies)
    elif CopyState.UNREAD in (copies.archive, copies.server):
        return False, f"cannot be mended yet: archive {copies.archive}, server {copies.server}; run it again later"
    elif copies.lost_rows:
        said = f"its bytes were deleted after the retention, and {copies.lost_rows}"
        return False, f"cannot be mended: {said}; restore staged/ from a backup of the home, or ask for it again"
    else:
        return False, f"cannot be mended: archive {copies.archive}, server {copies.server}; ask for it to be sent again"
    with site.ledger.transaction() as connection:
        is_of_server = copies.archive is CopyState.SOUND
        values = {"moved_to": copies.server_place} if is_of_server else {"archive_pruned_at": None}
        offerings.note(connection, current, site.change(done), **values)
    return True, done


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
        (landing / name).unlink(missing_ok=True)  # of a run that broke off, and read-only by then
        with (landing / name).open("wb") as file:
            transport.read(path, at_most((size or 0) + MOST_SMALL, path, file.write))
    # The server's copy was read once to compare it; what came now is what is kept, so it is what is compared.
    again = landed_state(landing, current)
    if again is not CopyState.SOUND:
        raise TransferError(f"{copies.server_place}: expected the bytes that were just compared, found others")
    _put_aside(site, current, here, names)
    keep_all((landing / name, here) for name in names)
    site.objects.put(here / name for name in names)
    return f"{current.kept_in} restored from {copies.server_place} on the server; it was {copies.archive}"


def _put_aside(site: Site, current: Offering, here: Path, names: list[str]) -> None:
    """A damaged copy is evidence: it goes to quarantine, beside nothing else."""
    aside = quarantine_place(site, current) / f"damaged-{compact(site.now)}"
    for name in names:
        if (here / name).exists():
            aside.mkdir(mode=0o700, parents=True, exist_ok=True)
            (here / name).rename(aside / name)
            site.objects.put([aside / name])
