"""What the DAGs share: home, feeds, sources, assets, pools, schedules, and which errors are worth a retry."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from airflow.providers.openlineage import conf as openlineage
from airflow.sdk import (
    Asset,
    BaseHook,
    ExceptionRetryPolicy,
    MultipleCronTriggerTimetable,
    RetryAction,
    RetryRule,
    get_current_context,
)
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSkipException, DownstreamTasksSkipped
from airflow.sdk.observability import stats

from pipelines.cli.context import open_contracts, open_site
from pipelines.config import FILE_NAME, load_config
from pipelines.config_fields import SECRET_READERS
from pipelines.contracts.model import Contract, Schedule
from pipelines.errors import LedgerAwayError, SparkLostError, TransferError
from pipelines.site import Site
from pipelines.telling.alarms import folded, tell_alarms

log = logging.getLogger(__name__)
logging.getLogger("great_expectations").setLevel(logging.WARNING)  # as it loads it says a line a function
HOME = Path(os.environ.get("TIERLINE_HOME", "home"))
CONTRACTS = open_contracts(HOME)
MARTS = Asset("tierline://mart")
LISTS = Asset("tierline://publish")
OPERATED = Asset("tierline://core/operated")  # what an operator let through or took out, of whatever feed
OWNER = "tierline"
# A refused file is a state of its batch, not a failure here; what a server, the network or a lack of memory did may
# pass by itself.
DEFAULTS: dict[str, Any] = {
    "owner": OWNER,
    "retries": 4,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=15),
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(exception=TransferError, action=RetryAction.RETRY, reason="the server or the network"),
            RetryRule(exception=SparkLostError, action=RetryAction.RETRY, reason="Spark ended or does not answer"),
            RetryRule(exception=LedgerAwayError, action=RetryAction.RETRY, reason="the ledger's server is away"),
        ],
        default=RetryAction.FAIL,
    ),
}
# Of every DAG. Past runs are not caught up on: what is due is in the ledger and on the servers.
ALWAYS: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1), "catchup": False, "max_active_runs": 1, "default_args": DEFAULTS,
}  # fmt: skip

# What a poll or a check reports where batches or cycles of its feed stand otherwise than before.
_NEWS = ("verified", "refused", "ends", "staged", "superseded", "waiting")


def _password(connection_id: str) -> str:
    """The password of an Airflow connection; KeyError, as of any secret that is not there, where it has none."""
    try:
        password = BaseHook.get_connection(connection_id).password
    except AirflowNotFoundException as error:
        raise KeyError(connection_id) from error
    if password is None:
        raise KeyError(connection_id)
    return password


SECRET_READERS["airflow"] = _password


def site() -> Site:
    """The site of the home; in the ledger stands who triggered the run, else the run."""
    run = get_current_context()["dag_run"]
    name = run.triggering_user_name
    return open_site(HOME, actor=f"{name} (airflow {run.dag_id})" if name else f"airflow {run.dag_id} {run.run_id}")


def is_last_try() -> bool:
    """Whether the task at hand is not tried again."""
    instance = get_current_context()["ti"]
    return instance.try_number > instance.max_tries


def skip_the_rest(prefix: str) -> NoReturn:
    """End the task at hand as one of several alike (by the beginning of their names) that found nothing to do.

    The last of them that ends skips all that follows in one go. Where two end at the same moment, and each takes the
    other for the last, what follows runs, and finds nothing to do either.
    """
    context = get_current_context()
    run, task, instance = context["dag_run"], context["task"], context["ti"]
    assert task.dag is not None, "a task that runs is of a DAG"
    alike = [name for name in task.dag.task_ids if name.startswith(prefix) and name != task.task_id]
    states = instance.get_task_states(run.dag_id, task_ids=alike, run_ids=[run.run_id]).get(run.run_id, {})
    if all(states.get(name) == "skipped" for name in alike):
        following = sorted(task.get_flat_relative_ids(upstream=False))
        raise DownstreamTasksSkipped(tasks=following)  # type: ignore[no-untyped-call]
    raise AirflowSkipException("nothing came")


def failed_tasks() -> list[str]:
    """The tasks of the run at hand that failed, by their names; `check_2` is the third of a mapped task."""
    context = get_current_context()
    run = context["dag_run"]
    states = context["ti"].get_task_states(run.dag_id, run_ids=[run.run_id]).get(run.run_id, {})
    return sorted(name for name, state in states.items() if state == "failed")


def count(name: str, number: int, feed: str, source: str = "") -> None:
    """Add to a counter among Airflow's own metrics (StatsD, OpenTelemetry), where these are on."""
    if number:
        stats.incr(f"tierline.{name}", number, tags={"feed": feed} | ({"source": source} if source else {}))


def lineage() -> ModuleType | None:
    """What says lineage; None where Airflow's configuration has no transport for it, for it takes a second to load."""
    if openlineage.is_disabled():
        return None
    import tierline_lineage

    return tierline_lineage


def tell(here: Site) -> None:
    """Alarms to wherever they go; a channel that cannot be told fails no task, the next one tells it."""
    told = tell_alarms(here)
    for alarm in folded(told.alarms):
        log.warning("%s %s: %s", alarm.kind, alarm.subject, alarm.message)
    for message in told.errors:
        log.error("alarms: %s", message)


def configured_sources() -> list[str]:
    """All sources of the home; none where it has no configuration yet."""
    return list(load_config(HOME).sources) if (HOME / FILE_NAME).exists() else []


def sources_of(contract: Contract) -> list[str]:
    """The configured sources that send a feed; none where the home has no configuration yet."""
    if not (HOME / FILE_NAME).exists():
        return []
    return [name for name, source in load_config(HOME).sources.items() if contract.feed in source.feeds]


def core_asset(contract: Contract) -> Asset:
    """What an ingest DAG updates when it brought something new."""
    return Asset(f"tierline://core/{contract.table}")


def brought_news(reports: Iterable[Mapping[str, Any] | None]) -> bool:
    """Whether the polls and checks of a run report that it found anything to do; None: one was skipped."""
    return any(report.get(name) for report in reports if report for name in _NEWS)


def timetable(schedule: Schedule) -> MultipleCronTriggerTimetable:
    """When a feed is polled: when a cycle is expected, late and missing, and every hour at these minutes.

    Whatever the cadence: a file that is a little late, or answers a request, must not wait until its cycle is missing.
    """
    moments = (schedule.expected_s + after for after in (0, schedule.late_after_s, schedule.missing_after_s))
    hourly = dict.fromkeys(f"{moment // 60 % 60} * * * *" for moment in moments)
    return MultipleCronTriggerTimetable(*hourly, timezone="Asia/Shanghai")
