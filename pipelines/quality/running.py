"""Judging closed cycles as a whole, once each: what stands for one is profiled, compared, and the findings kept.

A cycle is judged when it is complete, or overdue with what came of it, and again when other batches stand for it.
All cycles of a feed that wait are judged together, whatever their sources.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import duckdb
import polars as pl

from pipelines.completeness import closed_cycles
from pipelines.contracts.model import Contract
from pipelines.cycles import Cycle, parse_cycle
from pipelines.faults import fault_point
from pipelines.ledger import offerings
from pipelines.ledger.alarms import Kind, clear_alarm, settle_alarms
from pipelines.ledger.cycle_acceptances import words_of
from pipelines.ledger.offerings import STANDING, Change, Offering
from pipelines.ledger.quality import Profiled, Result, forget_without, note_judged, profiles, revisions
from pipelines.ledger.tables import offering
from pipelines.names import CycleKey
from pipelines.quality.expectations import Expected, Finding, Severity, Validation, validate
from pipelines.quality.measuring import Enough, measure, usual_cycles
from pipelines.quality.pages import prune_pages, write_index, write_page
from pipelines.quality.profile import Profile
from pipelines.quality.suite import suite_of
from pipelines.site import WRITER, Site, cycle_day
from warehouse.profile import StagedCycle, profile
from warehouse.store import open_warehouse

_CYCLES_AT_ONCE = 300  # rows of one page


@dataclass(frozen=True)
class Judged:
    """How many cycles were judged as a whole, and the expectations that failed, warnings included.

    `accepted`: the cycles whose failures an operator had let through before; these are not among the failed.
    """

    cycles: int
    failed: tuple[Result, ...]
    accepted: tuple[CycleKey, ...] = ()


def judge_cycles(site: Site) -> Judged:
    """Judge every closed cycle that was not judged as it stands now; its batches must be in core.

    Raises StoreError where Great Expectations cannot judge.
    """
    site.config.workers.require_warehouse("judging cycles")
    with site.lock(WRITER, wait=True):
        return judge_closed(site)


def judge_closed(site: Site) -> Judged:
    """As `judge_cycles`, under the writer's lock of the caller, who has no warehouse open."""
    with site.ledger.transaction() as connection:
        for key in forget_without(connection):
            clear_alarm(connection, Kind.QUALITY, str(key), site.now)
        changed = revisions(connection, site.now, site.config.watch_days)
    with site.ledger.reading() as connection:
        closed = closed_cycles(connection, site.contracts, site.now, changed)
        found = offerings.find(
            connection, offering.c.state.in_(STANDING), offering.c.cycle.in_({key.cycle for key in closed})
        )
    if not closed:
        return Judged(0, ())
    with open_warehouse(site.home.warehouse, site.contracts, site.config.memory_mb) as warehouse:
        return _judge(site, warehouse, closed, changed, found)


def _judge(
    site: Site,
    warehouse: duckdb.DuckDBPyConnection,
    closed: list[CycleKey],
    changed: Mapping[CycleKey, str],
    found: list[Offering],
) -> Judged:
    by_cycle: dict[CycleKey, dict[str, Path]] = {key: {} for key in sorted(closed, key=str)}
    for each in found:
        if each.name.cycle_key in by_cycle:
            by_cycle[each.name.cycle_key][each.stem] = site.staged_paths(each.name, cycle_day(site, each)).rows
    # Where all was discarded since it was seen to be closed, the next run forgets what is known of the cycle.
    files = {key: staged for key, staged in by_cycle.items() if staged}
    site.objects.bring(path for staged in files.values() for path in staged.values())
    ids = {each.stem: each.offering_id for each in found}
    failed: list[Result] = []
    accepted: list[CycleKey] = []
    for contract in site.contracts.feeds:
        cycles = [StagedCycle(key, stems) for key, stems in files.items() if key.feed == contract.feed]
        for start in range(0, len(cycles), _CYCLES_AT_ONCE):
            group = _Group(site, contract, cycles[start : start + _CYCLES_AT_ONCE], changed)
            failed += group.judge(warehouse, ids)
            accepted += group.accepted
    return Judged(len(files), tuple(failed), tuple(accepted))


class _Group:
    """Cycles of one feed that are judged together."""

    def __init__(
        self, site: Site, contract: Contract, staged: list[StagedCycle], revisions: Mapping[CycleKey, str]
    ) -> None:
        self._site = site
        self._contract = contract
        self._staged = staged
        self._revisions = revisions
        self._cycles = {each.key: _cycle(contract, each.key) for each in staged}
        self.accepted: list[CycleKey] = []

    def judge(self, warehouse: duckdb.DuckDBPyConnection, ids: Mapping[str, int]) -> list[Result]:
        targets = {each.feed: self._site.contracts[each.feed] for each in self._contract.foreign_keys}
        found, orphans = profile(warehouse, self._contract, targets, self._staged)
        rows, suite = self._measured(found)
        results: list[Result] = []
        page = None
        if suite:
            run_name = hashlib.sha256(repr([(key, self._revisions[key]) for key in found]).encode()).hexdigest()[:12]
            title = f"{self._contract.title_en} ({self._contract.title_zh})"
            validation = validate(self._contract.feed, title, run_name, self._site.now, suite, rows)
            page = self._write_page(validation)
            results = list(_results(self._contract.feed, validation.findings))
        judged = {each.key: frozenset(ids[stem] for stem in each.files) for each in self._staged}
        failing = {each.key for each in results if each.is_failure}
        with self._site.ledger.reading() as connection:
            said = words_of(connection, Kind.QUALITY)
        let_through = {key: said[key, judged[key]] for key in failing if (key, judged[key]) in said}
        self.accepted = sorted(let_through, key=str)
        self._note(found, results, page, {ids[stem]: count for stem, count in orphans.items()}, let_through)
        return [each for each in results if not each.success and not (each.is_failure and each.key in let_through)]

    def _write_page(self, validation: Validation) -> str:
        """Returns where the page stands, below the home; older ones go after the feed's retention."""
        folder = self._site.home.bi / "quality"
        page = write_page(folder, validation.run, validation.page)
        prune_pages(folder, self._contract.feed, self._site.now - timedelta(days=self._contract.retention_days))
        write_index(folder)
        return str(page.relative_to(self._site.home.root))

    def _measured(self, found: Mapping[CycleKey, Profile]) -> tuple[pl.DataFrame, list[Expected]]:
        """A row a cycle with the values of all measures; and the expectations for which any cycle has a value."""
        policy = self._site.policy.default
        enough = Enough(int(policy["quality.rows_least"]), int(policy["quality.history_least"]))
        past = self._past(found, int(policy["quality.history_cycles"]))
        columns: dict[str, list[float | None]] = {}
        for wanted in self._contract.measures:
            values = [measure(wanted, self._cycles[key], now, past[key], enough) for key, now in found.items()]
            if any(value is not None for value in values):
                columns[wanted.name] = values
        keys = {"source": [key.source for key in found], "cycle": [_shown(key) for key in found]}
        frame = pl.DataFrame(keys | columns, schema_overrides=dict.fromkeys(columns, pl.Float64))
        return frame, [each for each in suite_of(self._contract, self._site.policy) if each.measure in columns]

    def _past(self, found: Mapping[CycleKey, Profile], count: int) -> dict[CycleKey, list[Profile]]:
        """For each cycle the profiles of those cycles that it is compared with, as far as they are known."""
        usual = {
            key: [CycleKey(key.feed, key.source, key.mode, cycle) for cycle in usual_cycles(self._cycles[key], count)]
            for key in found
        }
        with self._site.ledger.reading() as connection:
            known = profiles(connection, {key for keys in usual.values() for key in keys})
        kept = {key: Profile(**each.profile) for key, each in known.items()} | dict(found)
        return {key: [kept[each] for each in keys if each in kept] for key, keys in usual.items()}

    def _note(
        self,
        found: Mapping[CycleKey, Profile],
        results: list[Result],
        page: str | None,
        orphans: Mapping[int, int],
        let_through: Mapping[CycleKey, Change],
    ) -> None:
        fault_point("judge")
        with self._site.ledger.transaction() as connection:
            for key, now in found.items():
                judged = Profiled(key, self._revisions[key], asdict(now), page, self._site.now, let_through.get(key))
                note_judged(connection, judged, [each for each in results if each.key == key])
            offerings.note_orphans(connection, orphans)
            subjects = {str(key) for key in found}
            alarms = _alarms(each for each in results if each.key not in let_through)
            settle_alarms(connection, Kind.QUALITY, alarms, subjects.__contains__, self._site.now)


def _alarms(results: Iterable[Result]) -> dict[str, str]:
    """One for each cycle with a failure; a warning is no alarm."""
    found: dict[str, list[str]] = {}
    for each in results:
        if each.is_failure:
            found.setdefault(str(each.key), []).append(said(each))
    return {subject: "; ".join(sentences) for subject, sentences in found.items()}


def said(result: Result) -> str:
    """A failed expectation in one sentence."""
    bounds = Expected(result.measure, result.least, result.most, Severity(result.severity), result.description).bounds
    return f"{result.measure} {result.observed:g}, expected {bounds} ({result.severity})"


def _results(feed: str, findings: tuple[Finding, ...]) -> Iterator[Result]:
    for each in findings:
        if each.observed is not None:
            cycle, _, mode = each.cycle.partition(" ")
            expected = each.expected
            yield Result(
                CycleKey(feed, each.source, mode or "I", cycle), expected.measure, each.observed, expected.least,
                expected.most, expected.severity.value, each.success, expected.description,
            )  # fmt: skip


def _shown(key: CycleKey) -> str:
    """A cycle as pages show it: a full snapshot is told from the increment of the same day."""
    return key.cycle if key.mode == "I" else f"{key.cycle} {key.mode}"


def _cycle(contract: Contract, key: CycleKey) -> Cycle:
    cycle = parse_cycle(contract.schedule.cadence, key.cycle)
    assert cycle is not None, "a batch that stands has a sound cycle"
    return cycle
