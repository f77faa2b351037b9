"""ingest_<feed>: remote → core for one feed, at its cadence. One DAG a contract: a new contract is a new DAG."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from airflow.sdk import DAG, TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from tierline_wiring import CONTRACTS, DEFAULTS, brought_news, core_asset, site, sources_of, timetable

from pipelines import fetching, steps
from pipelines.contracts.model import Contract
from pipelines.errors import TransferError
from pipelines.quality.running import judge_cycles
from pipelines.site import Scope
from pipelines.watching import tell_alarms

log = logging.getLogger(__name__)


def ingest(contract: Contract) -> DAG:
    """The DAG of one feed: fetch and check per source, one load, receipts per source."""

    @dag(
        dag_id=f"ingest_{contract.feed.lower()}",
        schedule=timetable(contract.schedule),
        start_date=datetime(2026, 1, 1),
        catchup=False,  # what is due is in the ledger and on the servers, not in past runs
        max_active_runs=1,
        default_args=DEFAULTS,
        tags=["tierline", "ingest", contract.feed],
        doc_md=f"{contract.title_en} ({contract.title_zh}): {contract.description}\n\n"
        "Takes what has arrived, checks it, loads it into core and answers the producer. Any task may be cleared or "
        "run again at any time. A refused batch leaves the tasks green: see `tierline batches --state refused`.",
    )
    def flow() -> None:
        @task
        def fetch(source: str) -> dict[str, int]:
            """remote → verified."""
            taken = fetching.fetch_source(site(), source, Scope((source,), (contract.feed,)))
            return {name: len(getattr(taken, name)) for name in ("verified", "refused", "duplicates", "ends", "left")}

        @task(trigger_rule=TriggerRule.ALL_DONE)
        def check(source: str) -> dict[str, int]:
            """verified → staged."""
            checked = steps.check(site(), Scope((source,), (contract.feed,)))
            if checked.failed:
                raise AirflowFailException("; ".join(checked.failed))
            return {name: len(getattr(checked, name)) for name in ("staged", "partial", "refused", "superseded")}

        # A source that cannot be reached does not keep what came from the others out of core.
        @task(trigger_rule=TriggerRule.ALL_DONE, outlets=[core_asset(contract)])
        def load(polled: Sequence[dict[str, int]], judged: Sequence[dict[str, int]]) -> int:
            """staged → core, and closed cycles judged as a whole; skipped, and the asset left, where nothing changed.

            Another feed's load, or a try of this one that was killed, may have brought our batches into core; and an
            end file alone changes what is complete. So what this run took and judged counts too.
            """
            result = steps.load_staged(site())
            judge_cycles(site())  # a failure holds publication back, and is an alarm
            if not (result.added or result.removed or brought_news([*polled, *judged])):
                raise AirflowSkipException("nothing came")
            return len(result.added)

        @task(trigger_rule=TriggerRule.ALL_DONE)
        def acknowledge(source: str) -> int:
            """Receipts, and files moved to backup/."""
            try:
                done = steps.acknowledge_source(site(), source, Scope((source,), (contract.feed,)))
            finally:
                for alarm in tell_alarms(site()):
                    log.warning("%s %s: %s", alarm.kind, alarm.subject, alarm.message)
            if done.errors:
                raise TransferError("; ".join(done.errors))
            if done.alarms:
                raise AirflowFailException("; ".join(done.alarms))
            return len(done.stems)

        @task(trigger_rule=TriggerRule.ONE_FAILED, retries=0)
        def tell_of_failures() -> None:
            """Without this the run would be green although a source could not be polled."""
            raise AirflowFailException("a task of this run failed; the other sources were loaded all the same")

        sources = sources_of(contract)
        fetched = fetch.expand(source=sources)
        checked = check.expand(source=sources)
        loaded = load(fetched, checked)  # type: ignore[arg-type]  # TaskFlow passes what they return
        acknowledged = acknowledge.expand(source=sources)
        fetched >> checked >> loaded >> acknowledged
        [fetched, checked, loaded, acknowledged] >> tell_of_failures()

    return flow()


for each in CONTRACTS.feeds:
    made = ingest(each)
    globals()[made.dag_id] = made
