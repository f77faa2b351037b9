"""archive → staged rows in another place: every batch judged again from its kept bytes, with nothing noted or moved.

What stands is not touched: no ledger, no staged/ of the home. An operator's word of E501 holds here as it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipelines.batch_check import bring_archived, read_archived, restoring
from pipelines.checking import in_groups
from pipelines.checks.judging import Judgement, judge
from pipelines.checks.places import StagedPaths
from pipelines.checks.reading import ArchivedBatch
from pipelines.checks.together import judge_small
from pipelines.durable import sync_all, sync_directories
from pipelines.errors import StoreError
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Offering
from pipelines.ledger.tables import offering
from pipelines.site import Home, Site, cycle_day
from pipelines.staged_rows import rows_trouble


@dataclass(frozen=True)
class Failure:
    """A batch that the archive does not give any more: its file, what was found, what to do."""

    stem: str
    file: str
    found: str
    to_do: str


@dataclass
class Restaged:
    """Batches by what became of them: those judged from their bytes, and where the rows of all stand."""

    proven: list[Offering] = field(default_factory=list)
    unproven: list[Offering] = field(default_factory=list)  # the archive's copy was pruned: the staged rows of the home
    failed: list[Failure] = field(default_factory=list)
    places: dict[int, StagedPaths] = field(default_factory=dict)  # by offering_id


@dataclass(frozen=True)
class _Read:
    current: Offering
    batch: ArchivedBatch
    place: StagedPaths


def restage(site: Site, found: list[Offering], root: Path, tell: Callable[[int, int], None]) -> Restaged:
    """Judge batches from the archive and stage their rows below `root`/staged; `tell` gets how many of how many.

    Batches whose copy in the archive was pruned after the feed's retention are taken from the home's staged rows.
    """
    done = Restaged()
    count = 0
    for group in in_groups(found):
        with site.batch_locks(*(each.stem for each in group)):  # a discard must not move bytes that are being read
            _restage_group(site, _as_kept_now(site, group), replace(site, home=Home(root)), done)
        count += len(group)
        tell(count, len(found))
    return done


def _as_kept_now(site: Site, group: Sequence[Offering]) -> list[Offering]:
    """What was to be rebuilt, with the place of its bytes as it is by now."""
    with site.ledger.reading() as connection:
        now = offerings.find(connection, offering.c.offering_id.in_([each.offering_id for each in group]))
    places = {each.offering_id: (each.kept_in, each.archive_pruned_at) for each in now}
    return [
        replace(each, kept_in=places[each.offering_id][0], archive_pruned_at=places[each.offering_id][1])
        for each in group
    ]


def _restage_group(site: Site, group: list[Offering], rebuilt: Site, done: Restaged) -> None:
    ready: list[_Read] = []
    bring_archived(site, [each for each in group if each.archive_pruned_at is None])
    for current in group:
        if current.archive_pruned_at is not None:
            _take_staged(site, current, done)
            continue
        with _telling(current, done):
            place = rebuilt.staged_paths(current.name, cycle_day(site, current))
            ready.append(_Read(current, read_archived(site, current), place))
    directories = {each.place.rows.parent for each in ready}
    for directory in directories:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    judged = list(_judged(site, ready, done))
    sync_all(path for each in judged for path in (each.place.rows, each.place.rejects))
    sync_directories(directories)
    done.proven += [each.current for each in judged]
    done.places |= {each.current.offering_id: each.place for each in judged}


def _judged(site: Site, ready: list[_Read], done: Restaged) -> Iterator[_Read]:
    """Small batches of one feed and encoding together, the others alone, as when they came."""
    judgements = judge_small(
        site.contracts, ((each.batch, each.place) for each in ready if each.current.limit_waived is None)
    )
    for each in ready:
        with _telling(each.current, done):
            judgement = judgements.get(each.current.stem) or judge(
                each.batch,
                site.contracts[each.current.feed],
                each.place,
                waive_limit=each.current.limit_waived is not None,
            )
            if judgement.code is None:
                yield each
            else:
                done.failed.append(_refused(each, judgement))


def _refused(each: _Read, judgement: Judgement) -> Failure:
    for path in (each.place.rows, each.place.rejects):
        path.unlink(missing_ok=True)
    found = f"would be refused now: {judgement.code}, {judgement.reason}"
    to_do = "correct contract or code list and rebuild again, or 'tierline batch discard' it"
    return Failure(each.current.stem, each.batch.path.name, found, to_do)


def _take_staged(site: Site, current: Offering, done: Restaged) -> None:
    place = site.staged_paths(current.name, cycle_day(site, current))
    if found := rows_trouble(site, current):
        name = place.rejects.name if place.rejects.name in found else place.rows.name
        found = f"{found}; the archive's copy was deleted after retention"
        to_do = "restore staged/ from a backup of the home, or ask the producer to send it again"
        done.failed.append(Failure(current.stem, name, found, to_do))
        return
    done.unproven.append(current)
    done.places[current.offering_id] = place


@contextmanager
def _telling(current: Offering, done: Restaged) -> Iterator[None]:
    """A batch whose bytes are lost or damaged does not keep the others from it."""
    try:
        yield
    except (StoreError, OSError) as error:
        name = f"{current.stem}.CHK" if ".CHK" in str(error) else current.file_name
        found = str(error).removesuffix("; run 'backups restore'").removesuffix(f"; {restoring(current)}")
        to_do = f"{restoring(current)}, then rebuild again"
        done.failed.append(Failure(current.stem, f"{current.kept_in}/{name}", found, to_do))
