"""One batch before the judge: its bytes from the archive, what is made of them, and where that goes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from secrets import token_hex
from typing import Any

from sqlalchemy import Connection

from pipelines.archive import keep, keep_all, reason_path, write_reason
from pipelines.check_files import MAX_BYTES, parse_check_file
from pipelines.checks.judging import Judgement, judge
from pipelines.checks.places import StagedPaths
from pipelines.checks.reading import ArchivedBatch
from pipelines.checks.staging import RejectLines
from pipelines.cycles import parse_cycle
from pipelines.durable import sync_all, sync_directories
from pipelines.errors import StoreError
from pipelines.faults import fault_point
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Change, Offering, State
from pipelines.ledger.standing import Candidacy, bring_back
from pipelines.site import Site, quarantine_place
from pipelines.staged_rows import trouble

_WORK = ".work"


def judge_again(site: Site, current: Offering, change: Change) -> Judgement:
    """Judge a batch that stands once more from the archive, and stage its rows anew where it is accepted again.

    What stands is not touched where it would be refused now: that is for the caller to tell. The next load takes the
    new rows in. Raises StoreError where the archive does not hold its bytes.
    """
    make_work(site, [current])
    bring_archived(site, [current])
    return BatchCheck(site, current).again(change)


def bring_archived(site: Site, found: Sequence[Offering]) -> None:
    """Have the kept bytes of batches here, from wherever all workers have them."""
    pairs = [(site.home.shared / each.kept_in, each) for each in found if each.kept_in is not None]
    site.objects.bring(place / name for place, each in pairs for name in (each.file_name, f"{each.stem}.CHK"))


def read_archived(site: Site, current: Offering) -> ArchivedBatch:
    """A batch as its bytes stand in the archive (or the quarantine).

    Raises StoreError where they are gone, or the check file is not the one that came: by it the data file is judged.
    """
    if current.archive_pruned_at is not None:
        deleted = f"its bytes were deleted after the retention, at {current.archive_pruned_at:%Y-%m-%d %H:%M}"
        raise StoreError(f"{deleted}; it can be judged no more, and stands as before")
    assert current.kept_in is not None, "a verified batch is kept somewhere"
    directory = site.home.shared / current.kept_in
    cycle = parse_cycle(site.contracts[current.feed].schedule.cadence, current.cycle)
    assert cycle is not None, "a verified batch has a sound cycle"
    check = parse_check_file(_archived_check(directory, current), current.stem)
    if not (directory / current.file_name).is_file():
        raise StoreError(f"{current.file_name}: expected in {current.kept_in}, found none; {restoring(current)}")
    if current.source not in site.config.sources:
        raise StoreError(f"source {current.source} is no longer in tierline.yaml; put it back, its batches still wait")
    encoding = site.source(current.source).encoding
    return ArchivedBatch(directory / current.file_name, current.name, cycle, check, encoding)


def _archived_check(directory: Path, current: Offering) -> bytes:
    """The check file as it came: damage of our copy is no fault of the producer's, and must not refuse the batch."""
    name = f"{current.stem}.CHK"
    try:
        with (directory / name).open("rb") as file:
            content = file.read(MAX_BYTES)
    except OSError as error:
        found = "none" if isinstance(error, FileNotFoundError) else error.strerror
        raise StoreError(f"{name}: expected in {current.kept_in}, found {found}; {restoring(current)}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != current.check_digest:
        raise StoreError(
            f"{name}: expected sha256:{current.check_digest} in {current.kept_in}, found sha256:{digest}; "
            f"{restoring(current)}"
        )
    return content


def restoring(current: Offering) -> str:
    """What to do where the archive does not hold the bytes of a batch: the end of such a message."""
    return f"'tierline backups restore {current.stem}'"


def make_work(site: Site, found: Sequence[Offering]) -> None:
    """Where rows of these batches are written at first, without what processes that were killed left of them."""
    directory = site.home.staged / _WORK
    directory.mkdir(mode=0o700, exist_ok=True)
    begins = {_work_name(each) for each in found}
    for path in directory.iterdir():
        if path.name.partition(".")[0] in begins:
            path.unlink(missing_ok=True)


def _work_name(current: Offering) -> str:
    return f"{current.offering_id:06d}"


class BatchCheck:
    """One batch before the judge. The files get their places first, then the ledger has its word: doing it twice
    leaves the same.
    """

    judgement: Judgement

    def __init__(self, site: Site, current: Offering) -> None:
        self._site = site
        self.current = current
        self.stem = current.stem
        self.feed = current.feed
        self.waives_limit = current.limit_waived is not None
        # Of this attempt alone: a process that lost its locks unawares spoils nothing of whoever has them now.
        work = site.home.staged / _WORK / f"{_work_name(current)}.{token_hex(4)}"
        self.paths = StagedPaths(work.with_name(f"{work.name}.rows"), work.with_name(f"{work.name}.rejects"))
        self._quarantine = quarantine_place(site, current)
        self._undo_refusal()
        self.batch = read_archived(site, current)

    def _undo_refusal(self) -> None:
        """Where a crash came between quarantine and the ledger's word, take the bytes back and judge anew."""
        assert self.current.kept_in is not None
        if self._quarantine.exists():
            for path in self._quarantine.glob(f"{self.stem}.[DC]*"):
                keep(path, self._site.home.shared / self.current.kept_in)

    @property
    def _pair(self) -> tuple[str, str]:
        return self.current.file_name, f"{self.stem}.CHK"

    def judge_alone(self) -> Judgement:
        """Read its bytes and make its staged rows and rejects, which have no place yet."""
        return judge(self.batch, self._site.contracts[self.feed], self.paths, waive_limit=self.waives_limit)

    @property
    def is_accepted(self) -> bool:
        return self.judgement.code is None

    @property
    def made(self) -> Iterator[Path]:
        """The files that were made of it."""
        return (path for path in (self.paths.rejects, self.paths.rows) if path.exists())

    @property
    def kept(self) -> list[Path]:
        """The files that have their place by now, for all workers."""
        if self.is_accepted:
            staged = self._site.staged_paths(self.current.name, self.batch.cycle.day)
            return [staged.rejects, staged.rows]
        rejects = [f"{self.stem}.rejects.parquet"] if self.judgement.rejected else []
        refused = [self._quarantine / name for name in (*self._pair, *rejects)]
        return [*refused, reason_path(self._quarantine, self.stem)]

    def place(self) -> list[Path]:
        """Give what was made, and synced, its place; returns the directories to sync."""
        if self.is_accepted:
            return [self._place_staged()]
        self._place_refused()
        return []

    def candidacy(self) -> Candidacy:
        """What the ledger is to say of it once it was accepted."""
        cause = self.judgement.reason or "all rows sound"
        return Candidacy(self.current, self._site.change(cause), self._counts() | {"reason": self.judgement.reason})

    def note_refused(self, connection: Connection) -> None:
        """The ledger's word of one that was refused."""
        judgement = self.judgement
        offerings.move(
            connection, self.current.offering_id, State.REFUSED, self._site.change(judgement.reason),
            code=judgement.code, reason=judgement.reason, kept_in=self._site.relative(self._quarantine),
            **self._counts(),
        )  # fmt: skip
        bring_back(connection, self.current, self._site.change(f"{self.stem} was refused"))

    def drop(self) -> None:
        """Take away what was made and has no place: of a refusal, or in vain."""
        for path in self.made:
            path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Take away what no longer says anything: of a refusal before, or of the bytes of one that is refused."""
        if not self.is_accepted:
            self._site.objects.drop(self.batch.path.with_name(name) for name in self._pair)
        elif self._quarantine.exists():
            elsewhere = [reason_path(self._quarantine, self.stem), self._quarantine / f"{self.stem}.rejects.parquet"]
            leftovers = {*self._quarantine.glob(f"{self.stem}.*"), *elsewhere}
            self._site.objects.drop(leftovers)
            for leftover in leftovers:
                leftover.unlink(missing_ok=True)
            with suppress(OSError):  # damaged copies that were put aside stay
                self._quarantine.rmdir()

    def again(self, change: Change) -> Judgement:
        self.judgement = judgement = self.judge_alone()
        fault_point("check")
        if judgement.code is None:
            values = self._counts() | {"staged_count": self.current.staged_count + 1, "reason": judgement.reason}
            sync_all(self.made)
            if self._has_other_rejects() or judgement.loaded != self.current.loaded:
                values["acknowledged_at"] = None  # the producer's receipt says otherwise
                # Said before they are replaced, too: the run after one that was killed finds no others to compare.
                self._note(self._site.change("judged otherwise: its receipt is due anew"), acknowledged_at=None)
            sync_directories([self._place_staged()])
            self._site.objects.put(self.kept)
            self._note(change, **values)
        self.drop()
        return judgement

    def _note(self, change: Change, **values: Any) -> None:
        with self._site.ledger.transaction() as connection:
            offerings.note(connection, self.current, change, **values)

    def _has_other_rejects(self) -> bool:
        former = self._site.staged_paths(self.current.name, self.batch.cycle.day)
        self._site.objects.bring([former.rejects])
        if trouble(self._site, former.rejects, self.current.rejected):  # lost or damaged: nobody can say
            return True
        return not all(a == b for a, b in zip_longest(RejectLines(former), RejectLines(self.paths)))

    def _place_staged(self) -> Path:
        place = self._site.staged_paths(self.current.name, self.batch.cycle.day)
        place.rows.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.replace(self.paths.rejects, place.rejects)
        os.replace(self.paths.rows, place.rows)
        fault_point("stage")
        return place.rows.parent

    def _place_refused(self) -> None:
        """Into quarantine with its reason; the rejects of one that E501 refused go with it."""
        quarantine, judgement, stem = self._quarantine, self.judgement, self.stem
        reason = {"stem": stem, "code": judgement.code, "reason": judgement.reason, "at": self._site.now}
        write_reason(quarantine, stem, reason)
        rejects = quarantine / f"{stem}.rejects.parquet"
        if judgement.rejected:
            os.replace(self.paths.rejects, rejects)
        else:
            rejects.unlink(missing_ok=True)  # of a verdict before a retry
        keep_all((self.batch.path.with_name(name), quarantine) for name in self._pair)

    def _counts(self) -> dict[str, Any]:
        judgement = self.judgement
        return {
            "judged_at": self._site.now,
            "format_version": judgement.format_version,
            "loaded": judgement.loaded if judgement.code is None else 0,
            "rejected": judgement.rejected,
            "control_total": judgement.control_total,
            "control_loaded": judgement.control_loaded,
            "control_rejected": judgement.control_rejected,
        }
