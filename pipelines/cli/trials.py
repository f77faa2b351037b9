"""What commands share that try something out on the published state: its place, the policy in use, the day."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.context import open_contracts
from pipelines.clock import now
from pipelines.config import FILE_NAME, load_config
from pipelines.contracts.load import DEFAULT_SCHEMAS
from pipelines.errors import UsageError
from pipelines.policy import Policy, load_policy
from warehouse.trial import PublishedState, open_state

AsOfOption = Annotated[str | None, typer.Option("--as-of", help="A day; default: that of the published state.")]
MonthOption = Annotated[
    str | None, typer.Option("--bill-month", help="Last closed month YYYYMM, instead of the ledger's.")
]


def policy_path(home: Path) -> Path:
    """The policy of a home, or the one that ships with the project where there is no configuration yet."""
    if (home / FILE_NAME).exists():
        return load_config(home).policy
    return DEFAULT_SCHEMAS / "policy" / "default.yaml"


def configured_policy(home: Path) -> Policy:
    """The policy of a home, checked. Raises ConfigurationError."""
    return load_policy(policy_path(home), open_contracts(home))


def open_trials(home: Path) -> AbstractContextManager[PublishedState]:
    """The published state of a home.

    Raises UsageError where nothing is published yet, or not as many months of facts as models look back.
    """
    spark = load_config(home).spark if (home / FILE_NAME).exists() else None
    history = configured_policy(home).default
    needed = sum(int(history[f"history.{name}"]) for name in ("kpi_months", "arpu_months", "held_months"))
    if spark is not None and spark.recent_months < needed:
        raise UsageError(
            f"{home / FILE_NAME}, spark, recent_months: expected at least {needed}, for that is how far back models "
            f"look, found {spark.recent_months}; set it so, then run 'tierline load' and 'tierline publish'"
        )
    return open_state(home / "bi" / "current.duckdb")


def sound_date(state: PublishedState, as_of: str | None, bill_month: str | None) -> tuple[date, str | None]:
    """The day to work out, and the bill month that is set for it: where neither is asked for, those of the state.

    Raises UsageError for what is no day, a day to come, and a month that is not over by then.
    """
    try:
        day = date.fromisoformat(as_of) if as_of else state.as_of
    except ValueError:
        raise UsageError(f"--as-of {as_of}: expected a day such as 2026-11-21") from None
    if day > now().date():
        raise UsageError(f"--as-of {day}: expected a day up to today, {now().date()}")
    month = state.bill_month if bill_month is None and day == state.as_of else bill_month
    if month is not None and not (len(month) == len("YYYYMM") and month < day.strftime("%Y%m")):
        raise UsageError(f"--bill-month {month}: expected a month such as 202611 that lies before {day:%Y%m}")
    return day, month
