"""verified → staged: judging archived batches, and what follows from the verdict."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pipelines.archive import keep, keep_all, write_reason
from pipelines.check_files import CheckFile, parse_check_file
from pipelines.checks.judging import ArchivedBatch, Judgement, judge
from pipelines.checks.places import StagedPaths
from pipelines.checks.staging import RejectLines
from pipelines.cycles import parse_cycle
from pipelines.durable import sync_directory
from pipelines.errors import StoreError
from pipelines.faults import fault_point
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Change, Offering, State
from pipelines.ledger.standing import accept, bring_back
from pipelines.ledger.tables import offering
from pipelines.site import Scope, Site, quarantine_place


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


def check_batch(site: Site, current: Offering, checked: Checked) -> None:
    """Judge one verified batch: staged rows and the ledger's word, or quarantine; harmless when it was done before."""
    with site.batch_lock(current.stem):
        with site.ledger.reading() as connection:
            current = offerings.get(connection, current.offering_id)
        if current.state is not State.VERIFIED:
            checked.elsewhere.append(current.stem)
            return
        try:
            _Check(site, current).run(checked)
        except (StoreError, FileNotFoundError) as error:  # this batch cannot be judged; the others can
            checked.failed.append(f"{current.stem}: {error}")


def judge_again(site: Site, current: Offering, change: Change) -> Judgement:
    """Judge a batch that stands once more from the archive, and stage its rows anew where it is accepted again.

    What stands is not touched where it would be refused now: that is for the caller to tell. The next load takes the
    new rows in. Raises StoreError where the archive does not hold its bytes.
    """
    return _Check(site, current).again(change)


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
    if not (directory / current.file_name).is_file():
        raise StoreError(f"{current.stem}: expected its data file in {current.kept_in}, found none; 'backups restore'")
    check: CheckFile = parse_check_file(content, current.stem)
    if current.source not in site.config.sources:
        raise StoreError(f"source {current.source} is no longer in tierline.yaml; put it back, its batches still wait")
    encoding = site.source(current.source).encoding
    return ArchivedBatch(directory / current.file_name, current.name, cycle, check, encoding)


class _Check:
    """One batch before the judge. The files get their places first, then the ledger has its word: doing it twice
    leaves the same.
    """

    def __init__(self, site: Site, current: Offering) -> None:
        self._site = site
        self._current = current
        self._work = site.home.staged / ".work" / f"{current.offering_id:06d}"
        self._made = StagedPaths(self._work / "rows.parquet", self._work / "rejects.parquet")
        self._undo_refusal()
        self._batch = read_archived(site, current)

    def _undo_refusal(self) -> None:
        """Where a crash came between quarantine and the ledger's word, take the bytes back and judge anew."""
        assert self._current.kept_in is not None
        archive = self._site.home.root / self._current.kept_in
        for path in self._quarantine().glob(f"{self._current.stem}.[DC]*"):
            keep(path, archive)

    def run(self, checked: Checked) -> None:
        judgement = self._judge()
        fault_point("check")
        if judgement.code is None:
            self._place_staged()
            self._accept(judgement, checked)
            self._clear_quarantine()
        else:
            self._refuse(judgement)
            checked.refused.append(self._current.stem)
        self._clear()

    def again(self, change: Change) -> Judgement:
        judgement = self._judge()
        if judgement.code is None:
            has_other_rejects = self._has_other_rejects()
            self._place_staged()
            values = self._counts(judgement) | {"staged_count": self._current.staged_count + 1}
            values["reason"] = judgement.reason
            if has_other_rejects or judgement.loaded != self._current.loaded:
                values["acknowledged_at"] = None  # the producer's receipt says otherwise
            with self._site.ledger.transaction() as connection:
                offerings.note(connection, self._current, change, **values)
        self._clear()
        return judgement

    def _has_other_rejects(self) -> bool:
        former = self._site.staged_paths(self._current.name, self._batch.cycle.day)
        if not former.rejects.exists():
            return True
        return not all(a == b for a, b in zip_longest(RejectLines(former), RejectLines(self._made)))

    def _judge(self) -> Judgement:
        self._work.mkdir(mode=0o750, parents=True, exist_ok=True)
        contract = self._site.contracts[self._current.feed]
        return judge(self._batch, contract, self._made, waive_limit=self._current.limit_waived is not None)

    def _clear(self) -> None:
        for leftover in self._work.iterdir():
            leftover.unlink()
        self._work.rmdir()

    def _clear_quarantine(self) -> None:
        """What told why it was refused says nothing more, once it was accepted."""
        quarantine = self._quarantine()
        if quarantine.exists():
            for leftover in quarantine.glob(f"{self._current.stem}.*"):
                leftover.unlink()
            with suppress(OSError):  # damaged copies that were put aside stay
                quarantine.rmdir()

    def _place_staged(self) -> None:
        place = self._site.staged_paths(self._current.name, self._batch.cycle.day)
        place.rows.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        os.replace(self._made.rejects, place.rejects)
        os.replace(self._made.rows, place.rows)
        sync_directory(place.rows.parent)
        fault_point("stage")

    def _accept(self, judgement: Judgement, checked: Checked) -> None:
        cause = judgement.reason or "all rows sound"
        with self._site.ledger.transaction() as connection:
            state = accept(
                connection, self._current, self._site.change(cause), **self._counts(judgement), reason=judgement.reason
            )
        if state is State.SUPERSEDED:
            checked.superseded.append(self._current.stem)
            return
        checked.staged.append(self._current.stem)
        if judgement.rejected:
            checked.partial.append(self._current.stem)

    def _refuse(self, judgement: Judgement) -> None:
        """Into quarantine with its reason; the rejects of one that E501 refused go with it. Then the ledger's word."""
        quarantine = self._quarantine()
        reason = {"stem": self._current.stem, "code": judgement.code, "reason": judgement.reason, "at": self._site.now}
        write_reason(quarantine, self._current.stem, reason)
        rejects = quarantine / f"{self._current.stem}.rejects.parquet"
        if judgement.rejected:
            os.replace(self._made.rejects, rejects)
        else:
            rejects.unlink(missing_ok=True)  # of a verdict before a retry
        keep_all(
            (self._batch.path.with_name(name), quarantine)
            for name in (self._current.file_name, f"{self._current.stem}.CHK")
        )
        change = self._site.change(judgement.reason)
        with self._site.ledger.transaction() as connection:
            offerings.move(
                connection, self._current.offering_id, State.REFUSED, change, code=judgement.code,
                reason=judgement.reason, kept_in=self._site.relative(quarantine), **self._counts(judgement),
            )  # fmt: skip
            bring_back(connection, self._current, self._site.change(f"{self._current.stem} was refused"))

    def _quarantine(self) -> Path:
        return quarantine_place(self._site, self._current)

    def _counts(self, judgement: Judgement) -> dict[str, Any]:
        return {
            "judged_at": self._site.now,
            "loaded": judgement.loaded if judgement.code is None else 0,
            "rejected": judgement.rejected,
            "control_total": judgement.control_total,
            "control_loaded": judgement.control_loaded,
            "control_rejected": judgement.control_rejected,
        }
