"""USER records: the history up to the window, and each closed day's new states as changes and payments make them."""

from __future__ import annotations

import numpy as np
import polars as pl

from sftp_fixtures.draws import between, moment
from sftp_fixtures.records import as_records, columns
from sftp_fixtures.settings import Settings

_YEAR = np.timedelta64(365, "D")
_PURGED_SHARE = 0.02
_STATE = columns("USER")[2:]
_PATCHING = ["02", "03", "04", "05", "06", "07", "08", "10", "14"]


def user_records(
    settings: Settings,
    subscribers: pl.DataFrame,
    changes: pl.DataFrame,
    payments: pl.DataFrame,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """All history in the cycle before the window (opening, change of plan, change of status), then the closed days.

    On a closed day a subscriber has a record for each opening, change that takes effect and payment, at its second and
    with the state after it; subscribers who closed long ago are deleted.
    """
    parts = [_history(settings, subscribers), _states(settings, subscribers, changes, payments)]
    parts.append(_purged(settings, subscribers, rng))
    records = pl.concat(parts, how="diagonal").sort("op_time", "user_id")
    history_day = moment(settings.first_day) - np.timedelta64(1, "D")
    return as_records("USER", records, pl.max_horizontal("op_time", pl.lit(history_day)))


def _history(settings: Settings, subscribers: pl.DataFrame) -> pl.DataFrame:
    """Up to three records for each subscriber of before the window; the last one has the present state."""
    present = subscribers.filter(pl.col("opened_at") < settings.first_day).with_columns(pl.lit("U").alias("op"))
    active = present.with_columns(status=pl.lit("1"), status_time=pl.col("opened_at"), close_date=pl.lit(None, pl.Date))
    opened = active.with_columns(op=pl.lit("I"), op_time=pl.col("opened_at"), plan_code=pl.col("first_plan"))
    replanned = active.with_columns(op_time=pl.col("replanned_at")).filter(pl.col("op_time").is_not_null())
    other = present.with_columns(op_time=pl.col("status_time")).filter(pl.col("status") != "1")
    return pl.concat([part.select("op", "op_time", *_STATE) for part in (opened, replanned, other)])


def _states(
    settings: Settings, subscribers: pl.DataFrame, changes: pl.DataFrame, payments: pl.DataFrame
) -> pl.DataFrame:
    """The state of each touched subscriber after each event of the closed days: the one before, patched, going on.

    Where two events fall on one second, the state after both stands, for op_time is part of the key.
    """
    patches = _patches(changes, payments)
    opening = pl.col("opened_at") >= settings.first_day
    touched = subscribers.filter(pl.col("user").is_in(patches["user"].unique().implode()) | opening)
    start = touched.select("user", "opened_at", *_STATE).with_columns(
        op_time=pl.when(opening).then("opened_at").otherwise(pl.lit(np.datetime64(0, "ms"))),
        op=pl.lit("I"),
    )
    after = pl.concat([start, patches], how="diagonal").sort("user", "op_time", maintain_order=True)
    after = after.with_columns(pl.col(_STATE).forward_fill().over("user"), pl.col("op").fill_null("U"))
    kept = after.unique(["user", "op_time"], keep="last", maintain_order=True)
    return kept.filter(pl.col("op_time") >= settings.first_day, pl.col("op_time") < settings.today).select(
        "op", "op_time", *_STATE
    )


def _patches(changes: pl.DataFrame, payments: pl.DataFrame) -> pl.DataFrame:
    """What changes and payments put into the columns of USER."""
    changed = changes.filter(pl.col("change_type").is_in(_PATCHING)).select(
        "user",
        "status",
        "status_time",
        "close_date",
        op_time="effective_at",
        customer_id="to_customer_id",
        service_number="to_service_number",
        plan_code="to_plan_code",
    )
    paid = payments.filter(pl.col("user_id").is_not_null()).select(
        "user", op_time="paid_at", balance_fen="balance_after_fen"
    )
    return pl.concat([changed, paid], how="diagonal")


def _purged(settings: Settings, subscribers: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Deletions of some who closed more than a year ago: op, op_time and key, nothing else."""
    start = moment(settings.first_day)
    long_closed = subscribers.filter(pl.col("status") == "9", pl.col("status_time") < pl.lit(start - _YEAR))
    chosen = long_closed[: round(long_closed.height * _PURGED_SHARE + 0.5)]
    low, high = (np.full(chosen.height, moment(at)) for at in (settings.first_day, settings.today))
    op_time = pl.Series("op_time", between(rng, low, high))
    return chosen.select(pl.lit("D").alias("op"), op_time, "user_id")
