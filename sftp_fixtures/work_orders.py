"""Work orders that the contacts of the window opened: WORD records, one for each state an order has been in."""

from __future__ import annotations

import numpy as np
import polars as pl

from sftp_fixtures.draws import Flags, Times, pick, where
from sftp_fixtures.records import as_records
from sftp_fixtures.settings import Settings

_DEPARTMENTS = {"COMPLAINT": "投诉处理中心", "FAULT": "网络维护部", "REQUEST": "业务受理部", "RETENTION": "客户维系部"}
_DUE_H = {"D": 12, "G": 24, "S": 36, "N": 48}
_PRIORITY = {"D": "1", "G": "2", "S": "2", "N": "3"}
_REOPENED_SHARE, _RATED_SHARE = 0.05, 0.5


def work_order_records(settings: Settings, contacts: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """WORD records up to the last closed day, each in the cycle of its op_time.

    An order is opened as its contact ends, assigned, resolved and closed; a few are reopened and closed once more.
    """
    ordered = contacts.filter(pl.col("work_order_id").is_not_null())
    orders = ordered.select(
        "work_order_id",
        "contact_id",
        "user_id",
        category="purpose",
        department=pl.col("purpose").replace_strict(_DEPARTMENTS, return_dtype=pl.String),
        priority=pl.col("tier").replace_strict(_PRIORITY, return_dtype=pl.String),
        opened_at="ended_at",
        due_at=pl.col("ended_at") + pl.duration(hours=pl.col("tier").replace_strict(_DUE_H, return_dtype=pl.Int64)),
    )
    records = pl.concat(_states(orders, rng)).filter(pl.col("op_time") < settings.today)
    return as_records("WORD", records.sort("op_time", "work_order_id"), "op_time")


def _states(orders: pl.DataFrame, rng: np.random.Generator) -> list[pl.DataFrame]:
    """The records of all orders, state by state; every state comes at least a minute after the one before."""
    count = orders.height
    reopened = rng.random(count) < _REOPENED_SHARE
    every = np.full(count, True)
    at: Times = orders["opened_at"].to_numpy()
    states = [_state(orders, "I", "OPEN", at, every, rng)]
    steps = [("ASSIGNED", 30, every), ("RESOLVED", 500, every), ("CLOSED", 120, every), ("REOPENED", 300, reopened)]
    for status, mean_minutes, mask in [*steps, ("RESOLVED", 300, reopened), ("CLOSED", 120, reopened)]:
        at = at + (rng.exponential(mean_minutes * 60, count) + 60).astype("timedelta64[s]")
        states.append(_state(orders, "U", status, at, mask, rng))
    return states


def _state(
    orders: pl.DataFrame, op: str, status: str, at: Times, mask: Flags, rng: np.random.Generator
) -> pl.DataFrame:
    closed = status == "CLOSED"
    rated = np.full(orders.height, closed) & (rng.random(orders.height) < _RATED_SHARE)
    rating = pick(rng, list("54321"), orders.height, [40, 30, 15, 10, 5]).cast(pl.Int64)
    return orders.with_columns(
        pl.lit(op).alias("op"),
        pl.Series("op_time", at),
        pl.lit(status).alias("status"),
        where(np.full(orders.height, closed), pl.Series(at)).alias("closed_at"),
        where(rated, rating).alias("satisfaction"),
    ).filter(mask)
