"""The steps of the way, each a function: commands and DAGs call these and nothing else.

Each is safe to run twice, in two processes, and after a crash of itself at any point: what is due is read from the
ledger and the warehouse, never from what a run remembers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

import duckdb

from pipelines.acknowledging import Acknowledged, acknowledge_feed, due_for_acknowledgement
from pipelines.checking import Checked, check_all, due_for_check
from pipelines.completeness import CycleStatus, Within, cycle_statuses
from pipelines.contracts.model import Cadence
from pipelines.cycles import parse_cycle
from pipelines.errors import StoreError, TransferError, UsageError
from pipelines.fetching import NEEDED_BYTES, each_source
from pipelines.kpi_cycles import kpis_from, never_came
from pipelines.ledger import offerings
from pipelines.ledger.deliveries import deliveries
from pipelines.ledger.leading import leading
from pipelines.ledger.offerings import STANDING, Offering, State
from pipelines.ledger.publications import publications
from pipelines.ledger.tables import offering
from pipelines.lost_rows import stage_lost
from pipelines.overdue import without_those_in_hand
from pipelines.published_lists import recall_lists
from pipelines.quality.running import Judged, judge_cycles
from pipelines.resends import GAP, answered_requests, remove_requests, request_resend, to_request
from pipelines.site import WRITER, Scope, Site, require_cadences, require_free_space
from pipelines.to_core import due_for_core, engine_of, load_due, require_its_ledger
from pipelines.transfer.steady import steady
from pipelines.watching import released, settle_cycle_alarms
from warehouse.build import BuildResult
from warehouse.load import LoadResult
from warehouse.ops import refresh_ops
from warehouse.store import open_warehouse

EVERYTHING = Scope()
T = TypeVar("T")


@dataclass
class Loaded:
    """What checking, loading, acknowledging and judging cycles as a whole came to; an intake worker loads nothing."""

    checked: Checked
    core: LoadResult | None
    acknowledged: Acknowledged
    errors: dict[str, str]
    quality: Judged
    released: list[CycleStatus]  # snapshots that were held and are no longer, though nobody said so


def check(
    site: Site,
    scope: Scope,
    progress: Callable[[int, int], None] | None = None,
    offering_ids: frozenset[int] | None = None,
) -> Checked:
    """verified → staged for all batches of a scope that wait for it; of these offerings alone where they are named."""
    require_cadences(site)
    require_free_space(site.home.staged, NEEDED_BYTES)
    due = due_for_check(site, scope)
    if offering_ids is not None:
        due = [each for each in due if each.offering_id in offering_ids]
    return check_all(site, due, progress)


def load_staged(site: Site) -> LoadResult:
    """staged → core: bring the warehouse to what stands in the ledger, then the ledger to what the warehouse says.

    Staged rows that turn out to be lost or damaged are made anew from the archive.
    """
    site.config.workers.require_warehouse("loading into core")
    require_free_space(site.home.warehouse, NEEDED_BYTES)
    with (
        site.lock(WRITER, wait=True),
        open_warehouse(site.home.warehouse, site.contracts, site.config.memory_mb) as warehouse,
    ):
        due = due_for_core(site, warehouse)
        try:
            return load_due(site, warehouse, due)
        except (duckdb.Error, StoreError):
            if not stage_lost(site, due.found):
                raise  # their rows are not what it failed for
            return load_due(site, warehouse, due_for_core(site, warehouse))


def acknowledge_source(site: Site, source: str, scope: Scope, found: list[CycleStatus] | None = None) -> Acknowledged:
    """Receipts and moves on the server for all judged batches of a source; requests for gaps and missing cycles.

    Requests that were answered are taken away.

    `found` are its cycles where the caller has looked at them already. A feed or request that the server says no to
    keeps no other: it is in the errors, and due again. Raises TransferError where there is no connection.
    """
    mine = Scope((source,), scope.feeds, scope.cycles)
    found = statuses(site, mine, watched_only=True) if found is None else found
    found = without_those_in_hand(site, found)
    settle_cycle_alarms(site, found)  # before anything else: a server that is down is why cycles go missing
    feeds = sorted({each.feed for each in due_for_acknowledgement(site, source, scope)})
    done = Acknowledged()
    if not feeds and not to_request(site, found) and not answered_requests(site, found, source, scope):
        return done
    with steady(site.source(source).with_secret()) as transport:
        for feed in feeds:
            # Whoever takes files of this feed must not meet them half moved, nor another who acknowledges.
            with site.lock(f"take-{source}-{feed}", wait=True):
                due = due_for_acknowledgement(site, source, Scope((source,), (feed,), scope.cycles))
                with done.noting_errors():
                    part = acknowledge_feed(site, transport, feed, due)
                    done.stems += part.stems
                    done.alarms += part.alarms
                    done.errors += part.errors
        with site.lock(f"ask-{source}", wait=True):
            for name, reason in to_request(site, found):  # once more: another process may have asked meanwhile
                with done.noting_errors():
                    request_resend(site, transport, name, GAP, reason, site.now)
            remove_requests(site, transport, answered_requests(site, found, source, scope))
    return done


def load(
    site: Site,
    scope: Scope,
    progress: Callable[[int, int], None] | None = None,
    *,
    judge: bool = True,
    tell_untold: bool = True,
) -> Loaded:
    """verified → core, the producers' receipts, and what the rows of closed cycles say as a whole.

    Without `judge` the caller does the last (`judge_cycles`) before anything is published. An intake worker checks,
    and acknowledges what the home with the warehouse has loaded by now. `tell_untold`: what others checked and we
    acknowledge counts as checked here; they may have been killed before they said what they found.
    """
    untold = _untold(site, scope) if tell_untold else []
    checked = check(site, scope, progress)
    core = None if site.config.workers.is_intake else load_staged(site)
    acknowledged, errors = Acknowledged(), dict[str, str]()
    by_source: dict[str, list[CycleStatus]] = {source: [] for source in site.config.sources}
    found = statuses(site, scope, watched_only=True)
    no_longer_held = released(site, found)
    for status in found:
        by_source.setdefault(status.key.source, []).append(status)
    results = each_source(site, scope, lambda source: acknowledge_source(site, source, scope, by_source[source]))
    for source, result in results.items():
        if isinstance(result, TransferError):
            errors[source] = str(result)
        else:
            acknowledged.stems += result.stems
            acknowledged.alarms += result.alarms
            if result.errors:
                errors[source] = "; ".join(result.errors)
    told = [each for each in untold if each.stem in acknowledged.stems]
    checked.partial += [each.stem for each in told if each.state is not State.REFUSED]
    checked.refused += [each.stem for each in told if each.state is State.REFUSED]
    is_to_judge = judge and not site.config.workers.is_intake
    judged = judge_cycles(site) if is_to_judge else Judged(0, ())
    return Loaded(checked, core, acknowledged, errors, judged, no_longer_held)


def _untold(site: Site, scope: Scope) -> list[Offering]:
    """Batches with rejected rows, or refused for their rows, that were checked before and are not acknowledged."""
    has_rejects = offering.c.state.in_((*STANDING, State.REFUSED)) & (offering.c.rejected > 0)
    with site.ledger.reading() as connection:
        found = offerings.find(connection, has_rejects, offering.c.acknowledged_at.is_(None))
    return [each for each in found if scope.has(each.source, each.feed, each.cycle)]


def require_sound_dates(site: Site, as_of: date, bill_month: str | None) -> None:
    """Raises UsageError for an as-of date to come, or a bill month that is not over at the as-of date."""
    if as_of > site.now.date():
        raise UsageError(f"as-of date {as_of}: expected a day up to today, {site.now.date()}")
    if bill_month is not None and not (
        parse_cycle(Cadence.MONTHLY, bill_month) and bill_month < as_of.strftime("%Y%m")
    ):
        raise UsageError(f"bill month {bill_month}: expected a month such as 202611 that lies before {as_of:%Y%m}")


def build(site: Site, as_of: date, bill_month: str | None = None) -> BuildResult:
    """core → mart for an as-of date; `bill_month` (YYYYMM) sets the last closed month instead of the ledger.

    Where the marts at hand are those of that day, only what changed since is made anew.
    """
    site.config.workers.require_warehouse("build")
    require_sound_dates(site, as_of, bill_month)
    with (
        site.lock(WRITER, wait=True),
        open_warehouse(site.home.warehouse, site.contracts, site.config.memory_mb) as warehouse,
    ):
        return build_in(site, warehouse, as_of, bill_month)


def build_in(
    site: Site, warehouse: duckdb.DuckDBPyConnection, as_of: date, bill_month: str | None = None
) -> BuildResult:
    """As `build`, in a warehouse that the caller has open under the writer's lock."""
    require_free_space(site.home.warehouse, NEEDED_BYTES)
    with site.ledger.reading() as connection:
        batches = leading(connection)
        require_its_ledger(site, connection, warehouse, {each.stem for each in batches if each.state in STANDING})
        published, sent = publications(connection), deliveries(connection)
    recall_lists(site.home.publish, warehouse, published)
    refresh_ops(warehouse, batches, _cycles_for_kpis(site, as_of, bill_month), sent)
    return engine_of(site).build(warehouse, site.contracts, site.policy, as_of, bill_month)


def _cycles_for_kpis(site: Site, as_of: date, bill_month: str | None) -> list[CycleStatus]:
    """Every cycle that was seen or is due, those too of which nothing came and that nobody waits for any more."""
    found = statuses(site)
    earliest = kpis_from(site.contracts, found, as_of, bill_month, site.policy.default["history.kpi_months"])
    with site.ledger.reading() as connection:
        return found + never_came(connection, site.config, site.contracts, found, earliest, site.now)


def statuses(site: Site, scope: Scope = EVERYTHING, *, watched_only: bool = False) -> list[CycleStatus]:
    """Every cycle of a scope that was seen or is due, with its state now; or only those that somebody waits for."""
    require_cadences(site)
    within = Within(scope.sources[0] if len(scope.sources) == 1 else None, watched_only=watched_only)
    with site.ledger.reading() as connection:
        found = cycle_statuses(connection, site.config, site.contracts, site.now, within)
    return [each for each in found if scope.has(each.key.source, each.key.feed, each.key.cycle)]
