"""verified → staged: judging archived batches, and what follows from the verdict."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from pipelines.archive import keep, write_reason
from pipelines.check_files import CheckFile, parse_check_file
from pipelines.checks.judging import ArchivedBatch, Judgement, judge
from pipelines.checks.staging import StagedPaths
from pipelines.cycles import parse_cycle
from pipelines.errors import StoreError
from pipelines.faults import fault_point
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Offering, State
from pipelines.ledger.tables import offering
from pipelines.site import Scope, Site, quarantine_place

# So many batches can be judged at once; which lock is a batch's follows from its stem, so no lock file is left over.
_LOCKS = 64


@dataclass
class Checked:
    """Stems by what the checks said of them."""

    staged: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)  # of the staged ones: some rows rejected
    refused: list[str] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  # messages: these batches could not be judged


def due_for_check(site: Site, scope: Scope) -> list[Offering]:
    """Verified batches within a scope, oldest first."""
    with site.ledger.transaction() as connection:
        found = offerings.find(connection, offering.c.state == State.VERIFIED)
    return [each for each in found if scope.has(each.source, each.feed, each.cycle)]


def check_batch(site: Site, current: Offering, checked: Checked) -> None:
    """Judge one verified batch: staged rows and the ledger's word, or quarantine; harmless when it was done before."""
    with site.lock(f"check-{crc32(current.stem.encode()) % _LOCKS:02d}", wait=True):
        with site.ledger.transaction() as connection:
            current = offerings.get(connection, current.offering_id)
        if current.state is State.VERIFIED:
            try:
                _Check(site, current).run(checked)
            except (StoreError, FileNotFoundError) as error:  # this batch cannot be judged; the others can
                checked.failed.append(f"{current.stem}: {error}")


def read_archived(site: Site, current: Offering) -> ArchivedBatch:
    """A batch as its bytes stand in the archive (or the quarantine); raises StoreError where they are gone."""
    assert current.kept_in is not None, "a verified batch is kept somewhere"
    directory = site.home.root / current.kept_in
    cycle = parse_cycle(site.contracts[current.feed].schedule.cadence, current.cycle)
    assert cycle is not None, "a verified batch has a sound cycle"
    try:
        content = (directory / f"{current.stem}.CHK").read_bytes()
    except FileNotFoundError as error:
        raise StoreError(f"{current.stem}: expected its check file in {current.kept_in}, found none") from error
    check: CheckFile = parse_check_file(content, current.stem)
    if current.source not in site.config.sources:
        raise StoreError(f"source {current.source} is no longer in tierline.yaml; put it back, its batches still wait")
    encoding = site.source(current.source).encoding
    return ArchivedBatch(directory / current.file_name, current.name, cycle, check, encoding)


class _Check:
    def __init__(self, site: Site, current: Offering) -> None:
        self._site = site
        self._current = current
        self._work = site.home.staged / ".work" / f"{current.offering_id:06d}"
        self._undo_refusal()
        self._batch = read_archived(site, current)

    def _undo_refusal(self) -> None:
        """Where a crash came between quarantine and the ledger's word, take the bytes back and judge anew."""
        assert self._current.kept_in is not None
        archive = self._site.home.root / self._current.kept_in
        for path in self._quarantine().glob(f"{self._current.stem}.[DC]*"):
            keep(path, archive)

    def run(self, checked: Checked) -> None:
        self._work.mkdir(mode=0o750, parents=True, exist_ok=True)
        made = StagedPaths(self._work / "rows.parquet", self._work / "rejects.parquet")
        judgement = judge(self._batch, self._site.contracts[self._current.feed], made)
        fault_point("check")
        if judgement.code is None:
            self._stage(made, judgement, checked)
        else:
            self._refuse(made, judgement)
            checked.refused.append(self._current.stem)
        for leftover in self._work.iterdir():
            leftover.unlink()
        self._work.rmdir()

    def _stage(self, made: StagedPaths, judgement: Judgement, checked: Checked) -> None:
        """Give the staged files their place, then let the batch stand. Doing it twice leaves the same."""
        place = self._site.staged_paths(self._current.name, self._batch.cycle.day)
        place.rows.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        os.replace(made.rejects, place.rejects)
        os.replace(made.rows, place.rows)
        fault_point("stage")
        cause = judgement.reason or "all rows sound"
        with self._site.ledger.transaction() as connection:
            state = offerings.accept(
                connection, self._current, self._site.change(cause), **self._counts(judgement), reason=judgement.reason
            )
        if state is State.SUPERSEDED:
            checked.superseded.append(self._current.stem)
            return
        checked.staged.append(self._current.stem)
        if judgement.rejected:
            checked.partial.append(self._current.stem)

    def _refuse(self, made: StagedPaths, judgement: Judgement) -> None:
        """Into quarantine with its reason; the rejects of one that E501 refused go with it. Then the ledger's word."""
        quarantine = self._quarantine()
        reason = {"stem": self._current.stem, "code": judgement.code, "reason": judgement.reason, "at": self._site.now}
        write_reason(quarantine, self._current.stem, reason)
        if judgement.rejected:
            os.replace(made.rejects, quarantine / f"{self._current.stem}.rejects.parquet")
        for name in (self._current.file_name, f"{self._current.stem}.CHK"):
            keep(self._batch.path.with_name(name), quarantine)
        with self._site.ledger.transaction() as connection:
            offerings.move(
                connection, self._current.offering_id, State.REFUSED, self._site.change(judgement.reason),
                code=judgement.code, reason=judgement.reason, kept_in=self._site.relative(quarantine),
                **self._counts(judgement),
            )  # fmt: skip

    def _quarantine(self) -> Path:
        return quarantine_place(self._site, self._current)

    def _counts(self, judgement: Judgement) -> dict[str, object]:
        return {
            "judged_at": self._site.now,
            "loaded": judgement.loaded if judgement.code is None else 0,
            "rejected": judgement.rejected,
            "control_total": judgement.control_total,
            "control_loaded": judgement.control_loaded,
            "control_rejected": judgement.control_rejected,
        }
