"""ingest_<feed>: remote → core for one feed, at its cadence. One DAG a contract: a new contract is a new DAG.

A poll that finds nothing ends with its first tasks: the last of these skips what follows, so that it takes neither
processes nor rounds of the scheduler. All other tasks run whatever became of those before them, since what is due is in
the ledger; the last one makes the run red where anything failed. Tasks import what they alone need: of an idle poll
imports are most of the cost.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from airflow.sdk import DAG, TriggerRule, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from pydantic import JsonValue
from tierline_wiring import (
    ALWAYS,
    CONTRACTS,
    DEFAULTS,
    brought_news,
    core_asset,
    count,
    failed_tasks,
    is_last_try,
    lineage,
    site,
    skip_the_rest,
    sources_of,
    tell,
    timetable,
)

from pipelines import fetching
from pipelines.contracts.model import Contract
from pipelines.errors import LedgerAwayError, TierlineError, TransferError
from pipelines.polling import Taken
from pipelines.pools import WAREHOUSE_POOL, source_pool
from pipelines.site import Scope
from pipelines.waiting import is_waiting

log = logging.getLogger(__name__)
_MOST_CHECKS = 4  # mapped tasks a run: more are worth less than what each costs to begin
# Of a poll: what the other sources brought waits for it, and must be in core before its cycle is late.
_MOST_RETRIES = 2
Report = dict[str, Any]
Reports = Any  # what tasks return, as TaskFlow passes it on: a sequence of Report, None for one that was skipped


def ingest(contract: Contract) -> DAG:
    """The DAG of one feed: fetch per source, check in a few shares, one load, receipts per source."""
    sources = sources_of(contract)

    @dag(
        dag_id=f"ingest_{contract.feed.lower()}",
        schedule=timetable(contract.schedule) if sources else None,  # nobody sends it: nothing to poll
        **(ALWAYS | {"default_args": DEFAULTS | {"trigger_rule": TriggerRule.ALL_DONE}}),
        tags=["tierline", "ingest", contract.feed],
        doc_md=f"{contract.title_en} ({contract.title_zh}): {contract.description}\n\n"
        "Takes what has arrived, checks it, loads it into core and answers the producer. Any task may be cleared or "
        "run again at any time. A refused batch leaves the tasks green: see `tierline batches --state refused`.",
    )
    def flow() -> None:
        polled = [
            fetch.override(task_id=f"fetch_{source}", pool=source_pool(source), retries=_MOST_RETRIES)(
                source, contract.feed
            )
            for source in sources
        ]
        shares = share_out(contract.feed, polled)
        checked = check.expand(batches=shares)
        loaded = load.override(outlets=[core_asset(contract)])(polled, checked)
        judged = judge()
        answered = [
            acknowledge.override(task_id=f"acknowledge_{source}", pool=source_pool(source))(source, contract.feed)
            for source in sources
        ]
        shares >> loaded >> [judged, *answered] >> tell_of_failures(polled, checked)

    return flow()


@task
def fetch(source: str, feed: str) -> Report:
    """remote → verified; skipped where nothing came and nothing of the feed waits from a run before."""
    here = site()
    scope = Scope((source,), (feed,))
    taken = Taken()
    problem: TierlineError | None = None
    try:
        taken = fetching.poll_source(here, source, scope)
        busy = [f"another process looks at {name} right now" for name in taken.busy]
        if errors := [*taken.errors, *busy]:
            problem = TransferError("; ".join(errors))
    except TierlineError as error:
        problem = error
    tell(here)
    report: Report = {name: len(getattr(taken, name)) for name in ("verified", "refused", "duplicates", "ends", "left")}
    for name in ("verified", "refused", "duplicates"):  # of this try: the next finds them done
        count(f"batches_{name}", report[name], feed, source)
    if taken.verified and (said := lineage()):
        said.fetched(here, source, feed, report["verified"])
    if isinstance(problem, TransferError | LedgerAwayError) and not is_last_try():
        raise problem
    report["waiting"] = is_waiting(here, scope)
    if problem is not None:
        report["error"] = f"source {source}: {problem}"  # it keeps nothing from core that came before, or elsewhere
    elif not brought_news([report]):
        skip_the_rest("fetch_")
    return report


@task
def share_out(feed: str, polled: Reports) -> list[list[int]]:
    """The verified batches of a feed, by their place in the ledger, in a few shares of about the same size."""
    from pipelines.checking import due_for_check, in_shares

    return in_shares(due_for_check(site(), Scope(feeds=(feed,))), _MOST_CHECKS)


@task
def check(batches: list[int]) -> Report:
    """verified → staged."""
    from pipelines import steps

    here = site()
    checked = steps.check(here, Scope(), offering_ids=frozenset(batches))
    for message in checked.failed:
        log.error("%s", message)
    if said := lineage():
        said.checked(here, checked.staged)
    names = ("staged", "partial", "refused", "superseded")
    return {name: len(getattr(checked, name)) for name in names} | {"error": "; ".join(checked.failed) or None}


@task(pool=WAREHOUSE_POOL)
def load(polled: Reports, checked: Reports) -> int:
    """staged → core; skipped, and the asset left, where nothing changed.

    Another feed's load, or a try of this one that was killed, may have brought our batches into core; and an end file
    alone changes what is complete. So what this run took and judged counts too, and what waited before it.
    """
    from pipelines import steps

    here = site()
    result = steps.load_staged(here)
    for ended in result.ended:
        log.info("by absence from the snapshot %s %s %s ended: %s", *ended)
    if not (result.added or result.removed or brought_news([*(polled or ()), *(checked or ())])):
        raise AirflowSkipException("nothing came")
    context = get_current_context()
    for feed, number in Counter(stem.split("_")[0] for stem in result.added).items():
        count("batches_loaded", number, feed)
    if said := lineage():
        said.loaded(here, result.added)
    stems: list[JsonValue] = list(result.added[:100])
    brought: dict[str, JsonValue] = {"batches": stems, "batch_count": len(result.added)}
    for asset in context["task"].outlets:
        context["outlet_events"][asset].extra = brought
    return len(result.added)


@task(pool=WAREHOUSE_POOL)
def judge() -> int:
    """Closed cycles as a whole; a failure holds publication back, and is an alarm."""
    from pipelines.quality.running import judge_cycles

    here = site()
    judged = judge_cycles(here)
    tell(here)
    return judged.cycles


@task
def acknowledge(source: str, feed: str) -> int:
    """Receipts, and files moved to backup/."""
    from pipelines import steps

    here = site()
    try:
        done = steps.acknowledge_source(here, source, Scope((source,), (feed,)))
    finally:
        tell(here)
    if done.errors:
        raise TransferError("; ".join(done.errors))
    if done.alarms:
        raise AirflowFailException("; ".join(done.alarms))
    return len(done.stems)


@task
def tell_of_failures(polled: Reports, checked: Reports) -> None:
    """Without this the run would be green although a source could not be polled, or a task failed."""
    errors = [report["error"] for report in [*(polled or ()), *(checked or ())] if report and report.get("error")]
    errors += [f"task {name} failed" for name in failed_tasks()]
    if errors:
        raise AirflowFailException("; ".join(errors))


for each in CONTRACTS.feeds:
    made = ingest(each)
    globals()[made.dag_id] = made
