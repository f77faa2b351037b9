"""verified → staged: judging archived batches, and what follows from the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.batch_check import BatchCheck, bring_archived, make_work
from pipelines.checks.together import judge_small
from pipelines.coming_back import stage_pruned
from pipelines.durable import naming_full_disk, sync_all, sync_directories
from pipelines.errors import StoreError
from pipelines.faults import fault_point
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Offering, State
from pipelines.ledger.standing import accept_all
from pipelines.ledger.tables import offering
from pipelines.site import Scope, Site

# One sync and one transaction serve a group; what a crash makes do again stays small.
_GROUP_BATCHES = 200
_GROUP_BYTES = 16 << 20
_BATCH_BYTES = 256 << 10  # what a batch costs to judge however small it is, in bytes of rows


@dataclass
class Checked:
    """Stems by what the checks said of them."""

    staged: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)  # of the staged ones: some rows rejected
    refused: list[str] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  # messages: these batches could not be judged
    elsewhere: list[str] = field(default_factory=list)  # another process judged them


def due_for_check(site: Site, scope: Scope) -> list[Offering]:
    """Verified batches within a scope, oldest first."""
    with site.ledger.reading() as connection:
        found = offerings.find(connection, offering.c.state == State.VERIFIED)
    return [each for each in found if scope.has(each.source, each.feed, each.cycle)]


def in_groups(due: list[Offering]) -> Iterator[list[Offering]]:
    """Batches in their order, as many together as are synced and noted at once: small ones, or one that is not."""
    group: list[Offering] = []
    size = 0
    for each in due:
        size += each.bytes or 0
        if group and (len(group) == _GROUP_BATCHES or size > _GROUP_BYTES):
            yield group
            group, size = [], each.bytes or 0
        group.append(each)
    if group:
        yield group


def in_shares(due: list[Offering], most: int) -> list[list[int]]:
    """The ids of batches in at most so many shares that may be checked at the same time, of about the same bytes."""
    shares: list[list[int]] = [[] for _ in range(min(most, len(due)))]
    sizes = [0] * len(shares)
    for each in sorted(due, key=lambda each: -(each.bytes or 0)):
        smallest = sizes.index(min(sizes))
        shares[smallest].append(each.offering_id)
        sizes[smallest] += (each.bytes or 0) + _BATCH_BYTES
    return [sorted(share) for share in shares]


def check_all(site: Site, due: list[Offering], progress: Callable[[int, int], None] | None = None) -> Checked:
    """Judge verified batches in groups. What another process has in hand comes last, so that several share the work.

    Then it is waited for, and left to us where that process was killed.
    """
    checked = Checked()
    done = 0

    def is_done(group: list[Offering], *, wait: bool) -> bool:
        nonlocal done
        if not check_group(site, group, checked, wait=wait):
            return False
        done += len(group)
        if progress:
            progress(done, len(due))
        return True

    in_hand = [group for group in in_groups(due) if not is_done(group, wait=False)]
    for group in in_hand:
        is_done(group, wait=True)
    return checked


def check_group(site: Site, group: Sequence[Offering], checked: Checked, *, wait: bool = True) -> bool:
    """Judge verified batches: staged rows and the ledger's word, or quarantine; harmless when it was done before.

    What stands of each stands alone, so a crash anywhere leaves each whole or to be judged again. Without `wait`
    nothing is done, and False returned, where another process has one of them in hand.
    """
    with site.batch_locks(*(each.stem for each in group), wait=wait) as mine:
        if not mine:
            return False
        with site.ledger.reading() as connection:
            found = offerings.find(connection, offering.c.offering_id.in_([each.offering_id for each in group]))
        checked.elsewhere += [each.stem for each in found if each.state is not State.VERIFIED]
        waiting = [each for each in found if each.state is State.VERIFIED]
        _stage_pruned(site, [each for each in waiting if each.archive_pruned_at is not None], checked)
        ready = _ready(site, [each for each in waiting if each.archive_pruned_at is None], checked)
        try:
            _note(site, _placed(site, _judged(site, ready, checked), checked), checked)
        finally:
            for each in ready:
                each.drop()
    return True


def _note(site: Site, placed: list[BatchCheck], checked: Checked) -> None:
    """The ledger's word of batches that have their places. What it keeps once, locks alone would not.

    Where the server of the locks went away meanwhile, another process may have judged them as well: then its word
    stands, and we have written the same rows in the same places.
    """
    with site.ledger.transaction() as connection:
        due = offerings.find(connection, offering.c.offering_id.in_([each.current.offering_id for each in placed]))
        waiting = {(each.offering_id, each.staged_count) for each in due if each.state is State.VERIFIED}
        ours = [each for each in placed if (each.current.offering_id, each.current.staged_count) in waiting]
        accepted, refused = ([each for each in ours if each.is_accepted is which] for which in (True, False))
        for each in refused:  # first: a newer version in the same group is the producer's answer to a refusal
            each.note_refused(connection)
        stale = accept_all(connection, [each.candidacy() for each in accepted])
    for each in ours:
        each.clear()
    checked.elsewhere += [each.stem for each in placed if each not in ours]
    checked.superseded += sorted(stale)
    checked.staged += [each.stem for each in accepted if each.stem not in stale]
    checked.partial += [each.stem for each in accepted if each.stem not in stale and each.judgement.rejected]
    checked.refused += [each.stem for each in refused]


def _stage_pruned(site: Site, found: list[Offering], checked: Checked) -> None:
    """Versions that come back without their bytes."""
    for current in found:
        with _telling(current, checked):
            state, rejected = stage_pruned(site, current)
            staged = checked.superseded if state is State.SUPERSEDED else checked.staged
            (checked.elsewhere if state is None else staged).append(current.stem)
            checked.partial += [current.stem] if state is State.STAGED and rejected else []


def _ready(site: Site, found: list[Offering], checked: Checked) -> list[BatchCheck]:
    """Those whose bytes are there to be judged."""
    make_work(site, found)
    bring_archived(site, found)
    ready: list[BatchCheck] = []
    for current in found:
        with _telling(current, checked):
            ready.append(BatchCheck(site, current))
    return ready


def _judged(site: Site, ready: list[BatchCheck], checked: Checked) -> list[BatchCheck]:
    """Small batches of one feed and encoding together, the others alone."""
    judgements = judge_small(site.contracts, ((each.batch, each.paths) for each in ready if not each.waives_limit))
    judged = []
    for each in ready:
        with _telling(each.current, checked):
            each.judgement = judgements.get(each.stem) or each.judge_alone()
            fault_point("check")
            judged.append(each)
    return judged


def _placed(site: Site, judged: list[BatchCheck], checked: Checked) -> list[BatchCheck]:
    """What was made of each is on disk before it has its place, and has that before the ledger says so."""
    sync_all(path for each in judged for path in each.made)
    placed: list[BatchCheck] = []
    directories: set[Path] = set()
    for each in judged:
        with _telling(each.current, checked):
            directories.update(each.place())
            placed.append(each)
    sync_directories(directories)
    site.objects.put(path for each in placed for path in each.kept)
    return placed


@contextmanager
def _telling(current: Offering, checked: Checked) -> Iterator[None]:
    """A batch that cannot be judged does not keep the others from it."""
    try:
        with naming_full_disk("its rows cannot be staged"):
            yield
    except StoreError as error:
        checked.failed.append(f"{current.stem}: {error}")
    except OSError as error:
        told = f"'tierline backups verify {current.stem}' tells whether the archive is sound"
        checked.failed.append(f"{current.stem}: its bytes cannot be read, or its rows staged: {error}; {told}")
