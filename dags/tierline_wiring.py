"""What the DAGs share: the home, its feeds and sources, assets, schedules, and which errors are worth a retry."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import (
    Asset,
    BaseHook,
    ExceptionRetryPolicy,
    MultipleCronTriggerTimetable,
    RetryAction,
    RetryRule,
    get_current_context,
)

from pipelines.cli.context import open_contracts, open_site
from pipelines.config import FILE_NAME, SECRET_READERS, load_config
from pipelines.contracts.model import Cadence, Contract, Schedule
from pipelines.errors import TransferError
from pipelines.site import Site

HOME = Path(os.environ.get("TIERLINE_HOME", "home"))
CONTRACTS = open_contracts(HOME)
MARTS = Asset("tierline://mart")
LISTS = Asset("tierline://publish")
OWNER = "tierline"
# A refused file is a state of its batch, not a failure here; what a server or the network did may pass by itself.
DEFAULTS: dict[str, Any] = {
    "owner": OWNER,
    "retries": 4,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=15),
    "retry_policy": ExceptionRetryPolicy(
        rules=[RetryRule(exception=TransferError, action=RetryAction.RETRY, reason="the server or the network")],
        default=RetryAction.FAIL,
    ),
}

SECRET_READERS["airflow"] = lambda connection_id: BaseHook.get_connection(connection_id).password or ""


def site() -> Site:
    """The site of the home; in the ledger the DAG run stands as the actor."""
    run = get_current_context()["dag_run"]
    return open_site(HOME, actor=f"airflow {run.dag_id} {run.run_id}")


def sources_of(contract: Contract) -> list[str]:
    """The configured sources that send a feed; none where the home has no configuration yet."""
    if not (HOME / FILE_NAME).exists():
        return []
    return [name for name, source in load_config(HOME).sources.items() if contract.feed in source.feeds]


def core_asset(contract: Contract) -> Asset:
    """What an ingest DAG updates when it brought something new."""
    return Asset(f"tierline://core/{contract.table}")


def timetable(schedule: Schedule) -> MultipleCronTriggerTimetable:
    """When a feed is polled: when its cycle is expected, when it is late, and when it is missing (Asia/Shanghai)."""
    offsets = [schedule.expected_s]
    offsets += [schedule.expected_s + after for after in (schedule.late_after_s, schedule.missing_after_s)]
    crons = dict.fromkeys(_cron(schedule.cadence, offset) for offset in offsets)
    return MultipleCronTriggerTimetable(*crons, timezone="Asia/Shanghai")


def _cron(cadence: Cadence, offset_s: int) -> str:
    """The moments that lie so many seconds after the end of a cycle."""
    minute, hour, day = offset_s // 60 % 60, offset_s // 3600 % 24, offset_s // 86400 + 1
    if cadence is Cadence.HOURLY:
        return f"{minute} * * * *"
    return f"{minute} {hour} * * *" if cadence is Cadence.DAILY else f"{minute} {hour} {day} * *"
