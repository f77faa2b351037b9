"""watch_cycles, audit_backups and daily_digest by the clock; operate_batches by hand, or by the page's buttons."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, TriggerRule, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from tierline_wiring import (
    ALWAYS,
    CONTRACTS,
    OPERATED,
    configured_sources,
    failed_tasks,
    is_last_try,
    site,
    tell,
)

from pipelines import backups, fetching, operating, rebuilding, steps
from pipelines.backups import Range
from pipelines.clock import compact
from pipelines.copies import CopyState
from pipelines.errors import LedgerAwayError, StoreError, TransferError, UsageError
from pipelines.operating import Action
from pipelines.pools import WAREHOUSE_POOL, source_pool
from pipelines.quality.running import judge_cycles
from pipelines.site import Scope, Site
from pipelines.telling.digest import make_digest, send_digest

log = logging.getLogger(__name__)
_NONE_OF_THEM = ("none",)  # as cycles of a scope: a poll looks at everything and takes nothing
_BATCH_ACTIONS = [action.value for action in Action]
_REPLAY, _REBUILD = "replay", "rebuild"


def _clock(cron: str) -> CronTriggerTimetable:
    return CronTriggerTimetable(cron, timezone="Asia/Shanghai")


@dag(
    schedule=_clock("3-59/10 * * * *"),
    **ALWAYS,
    tags=["tierline", "watch"],
    doc_md="Looks at every source for what is late, missing or lies unpaired, asks for what is missing, and tells the "
    "alarms that nobody was told of. Takes nothing: that is for the ingest DAGs.",
)
def watch_cycles() -> None:
    @task
    def watch(source: str) -> dict[str, int]:
        """Files that wait too long, cycles that are late or missing, requests and receipts that are due."""
        here = site()
        try:
            # First: it settles the alarms of cycles before it connects, and a server that is down is why they are late.
            done = steps.acknowledge_source(here, source, Scope((source,)))
            looked = fetching.poll_source(here, source, Scope((source,), cycles=_NONE_OF_THEM))
        finally:
            tell(here)
        if errors := [*looked.errors, *done.errors]:
            raise TransferError("; ".join(errors))
        return {"left": len(looked.left), "acknowledged": len(done.stems)}

    @task(pool=WAREHOUSE_POOL, trigger_rule=TriggerRule.ALL_DONE)
    def judge() -> int:
        """Cycles that closed by the clock alone, which nothing that comes would have judged.

        It ends the run, which without this would be green although a source could not be watched.
        """
        here = site()
        judged = judge_cycles(here)
        tell(here)
        if failed := failed_tasks():
            raise AirflowFailException("; ".join(f"task {name} failed" for name in failed))
        return judged.cycles

    watched = [
        watch.override(task_id=f"watch_{source}", pool=source_pool(source), retries=0)(source)  # the next run is one
        for source in configured_sources()
    ]
    watched >> judge()


@dag(
    schedule=_clock("0 3 * * *"),
    **ALWAYS,
    params={
        "first": Param(
            None, type=["null", "string"], title="First cycle", description="Default: what came in two weeks."
        ),
        "last": Param(None, type=["null", "string"], title="Last cycle"),
    },
    tags=["tierline", "backups"],
    doc_md="Reads both copies of the batches that came in the last two weeks and compares them with what was recorded; "
    "an unsound one is alarm E206. Other cycles by hand, with the form.",
)
def audit_backups() -> None:
    @task
    def verify(source: str) -> dict[str, int]:
        """Both copies of every batch of a source; tried again where one on the server could not be read."""
        here, params = site(), get_current_context()["params"]
        cycles = Range.between(params["first"], params["last"])
        since = None if params["first"] or params["last"] else here.now - timedelta(days=14)
        found = backups.kept_offerings(here, source, Scope((source,)), cycles, taken_since=since)
        try:
            verified = backups.verify_source(here, source, found, lambda: None)
        finally:
            tell(here)
        unsound = [each for each in verified if not each.are_sound]
        for each in unsound:
            problem = each.lost_rows or each.problem
            log.warning("%s: archive %s, server %s %s", each.current.stem, each.archive, each.server, problem)
        if unread := [each for each in unsound if each.server is CopyState.UNREAD]:
            raise TransferError(f"{len(unread)} of {len(found)} copies could not be read: {unread[0].problem}")
        return {"verified": len(found), "unsound": len(unsound)}

    for source in configured_sources():
        verify.override(task_id=f"verify_{source}", pool=source_pool(source))(source)


@dag(
    schedule=_clock("0 8 * * *"),
    **ALWAYS,
    tags=["tierline", "digest"],
    doc_md="What came yesterday, what did not, what waits for somebody: to the log, the webhook and mail, once.",
)
def daily_digest() -> None:
    @task
    def send() -> None:
        here = site()
        digest = make_digest(here, (here.now - timedelta(days=1)).date())
        for line in digest.lines():
            log.info("%s", line)
        if errors := send_digest(here, digest):
            raise TransferError("; ".join(errors))

    send()


@dag(
    schedule=None,
    **(ALWAYS | {"max_active_runs": 16}),
    params={
        "action": Param(
            "retry", enum=[*_BATCH_ACTIONS, _REPLAY, _REBUILD], title="What to do",
            description="retry, accept, discard: one batch; replay: cycles of a feed; rebuild: a warehouse beside ours",
        ),
        "why": Param("", type="string", minLength=1, title="Reason", description="For the ledger, with your name."),
        "stem": Param(
            None, type=["null", "string"], title="Batch", description="Its stem, such as PAYM_110_I_2026112210_0001_00."
        ),
        "offering": Param(
            None, type=["null", "integer"], minimum=1, title="Offering", description="Default: the newest of the stem."
        ),
        "feed": Param(None, enum=[None, *CONTRACTS.feed_names], title="Feed (replay)"),
        "source": Param(None, type=["null", "string"], title="Source (replay)", description="Default: all of them."),
        "first": Param(None, type=["null", "string"], title="First cycle (replay)"),
        "last": Param(None, type=["null", "string"], title="Last cycle (replay)"),
    },
    tags=["tierline", "operate"],
    doc_md="What an operator does by hand, as the commands `tierline batch retry`, `accept`, `discard`, `replay` and "
    "`rebuild` do it. Who triggers it, and the reason, stand in the ledger.",
)  # fmt: skip
def operate_batches() -> None:
    @task
    def decide() -> dict[str, list[str]]:
        """The operator's word into the ledger; what has to be loaded after it, and what failed, is what it returns.

        The offering is the newest of its stem unless another is named: a second try must not go on to the next.
        """
        here, given = site(), get_current_context()["params"]
        try:
            said, failed, scope = _done(here, given)
        except LedgerAwayError:
            raise
        except (UsageError, StoreError) as error:  # for people to mend, not for another try
            raise AirflowFailException(str(error)) from error
        for line in said:
            log.info("%s", line)
        for line in failed:
            log.error("%s", line)
        sources = [] if scope is None else [*(scope.sources or here.config.sources)]
        return {"sources": sources, "feeds": [] if scope is None else [*scope.feeds], "failed": failed}

    @task(pool=WAREHOUSE_POOL, outlets=[OPERATED])
    def load(decided: dict[str, list[str]]) -> list[str]:
        """What was let through into core, what was taken out out of it; skipped where nothing is to be loaded.

        What it returns are the batches that could not be judged: they keep no other from core.
        """
        if not decided["sources"]:
            raise AirflowSkipException("nothing to load")
        here = site()
        # A version that came back, a replay that broke off.
        checked = steps.check(here, Scope(tuple(decided["sources"]), tuple(decided["feeds"])))
        for message in checked.failed:
            log.error("%s", message)
        steps.load_staged(here)
        return checked.failed

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def acknowledge(decided: dict[str, list[str]], unjudged: list[str]) -> None:
        """The producers' answers; and the run is red where anything failed."""
        here, errors = site(), [*(decided or {}).get("failed", []), *(unjudged or [])]
        transfer = []
        for source in (decided or {}).get("sources", []):
            try:
                done = steps.acknowledge_source(here, source, Scope((source,), tuple(decided["feeds"])))
                errors += done.alarms
                transfer += done.errors
            except TransferError as error:
                transfer.append(str(error))
        tell(here)
        if transfer and not is_last_try():
            raise TransferError("; ".join(transfer))
        errors += [*transfer, *(f"task {name} failed" for name in failed_tasks())]
        if errors:
            raise AirflowFailException("; ".join(errors))

    decided = decide()
    acknowledge(decided, load(decided))  # type: ignore[arg-type]  # TaskFlow passes what they return


def _done(here: Site, given: Mapping[str, Any]) -> tuple[list[str], list[str], Scope | None]:
    """What was asked for, done: what to say, what failed, and the scope to load, None where there is nothing to."""
    if given["action"] in _BATCH_ACTIONS:
        stem = given["stem"]
        if not stem:
            raise UsageError(f"{given['action']}: expected a batch, found none")
        number = given["offering"] or len(operating.offerings_of(here, stem))
        decided = operating.decide(here, Action(given["action"]), stem, given["why"], number)
        return [*decided.said, *decided.refused], decided.failed, decided.scope
    if given["action"] == _REPLAY:
        scope = Scope((given["source"],) if given["source"] else (), (given["feed"] or "",))
        return (*_replay(here, scope, given), scope)
    into = here.home.root / "rebuilt" / compact(here.now)
    rebuilt = rebuilding.rebuild(here, into)
    failed = [f"{each.stem}: {each.file}: {each.found}; {each.to_do}" for each in rebuilt.failed]
    said = [f"{rebuilt.batches} batches judged again from the archive into {into}"]
    if rebuilt.comparison is None:
        said.append(f"nothing to compare with: {rebuilt.why_not}")
    else:
        said.append(f"{rebuilt.comparison.tables} tables compared with the present warehouse")
        failed += [
            f"{each.table}: differs: {each.only_present} rows only in the present one, {each.only_rebuilt} only in the "
            f"new one; see docs/operators/rebuild.md"
            for each in rebuilt.comparison.differences
        ]
    return said, failed, None


def _replay(here: Site, scope: Scope, given: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    if given["feed"] is None or given["first"] is None or given["last"] is None:
        raise UsageError("replay: expected feed, first and last cycle, found not all of them")
    feed, first, last = given["feed"], given["first"], given["last"]
    replayed, failed = operating.replay(here, scope, feed, first, last, given["why"])
    if not (replayed or failed):
        raise UsageError(f"replay: expected batches of {feed} that stand from {first} to {last}, found none")
    return [f"{each.stem}: {each.code or 'judged again'}, {each.rejected} rejected" for each in replayed], failed


watch_cycles()
audit_backups()
daily_digest()
operate_batches()
