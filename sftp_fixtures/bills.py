"""Monthly bills of the closed months: BILL records."""

from __future__ import annotations

import numpy as np
import polars as pl

from sftp_fixtures import plans
from sftp_fixtures.cases import CASES
from sftp_fixtures.draws import Flags, Ints, numbered
from sftp_fixtures.records import as_records
from sftp_fixtures.settings import Settings

_ITEMS = ("voice_fen", "long_distance_fen", "roaming_fen", "message_fen", "data_fen", "value_added_fen", "other_fen")
_ITEM_WEIGHTS = np.array([30, 6, 8, 4, 40, 10, 2], float)
_FALLING_SHARE, _DISCOUNTED_SHARE, _UNPAID_SHARE = 0.03, 0.2, 0.06


def bill_records(settings: Settings, subscribers: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """One bill for each closed month and subscriber open on one of its days, as the window's start knows him."""
    falling = rng.random(subscribers.height) < _FALLING_SHARE
    months = settings.month_starts.astype("datetime64[M]")
    frames = []
    for back, month in enumerate(reversed(months)):
        low, high = pl.lit(month.astype("datetime64[D]")), pl.lit((month + 1).astype("datetime64[D]"))
        is_open = (pl.col("open_date") < high) & (pl.col("close_date").is_null() | (pl.col("close_date") >= low))
        payers = subscribers.filter(is_open)
        amount = _amounts(payers, back, falling, rng)
        columns = (
            _items(payers, amount, rng) | _settlement(payers, amount, back, rng) | _dates(month, payers.height, rng)
        )
        bill_ids = numbered(f"B{settings.source}{str(month).replace('-', '')}", payers["user"].to_numpy())
        frames.append(payers.with_columns(bill_id=bill_ids, **columns))
    return as_records("BILL", pl.concat(frames), "month_start")


def _amounts(payers: pl.DataFrame, back: int, falling: Flags, rng: np.random.Generator) -> Ints:
    """The totals (fen) `back` months before the last closed one: near a usual bill, the cases' as planted."""
    users = payers["user"].to_numpy()
    amount = payers["spend_fen"].to_numpy() * np.exp(rng.normal(0, 0.12, len(users)))
    amount = np.maximum(np.where(falling[users] & (back == 0), amount * 0.45, amount), 100).astype(np.int64)
    planted = np.array([case.bills_yuan[min(back, 2)] * 100 for case in CASES])
    is_case = users < len(CASES)
    amount[is_case] = planted[users[is_case]]
    return amount


def _items(payers: pl.DataFrame, amount: Ints, rng: np.random.Generator) -> dict[str, pl.Series]:
    """Rental first, the rest over the other items; what the rental exceeds the amount by, and gifts, are discounts."""
    rental = plans.rentals_fen(payers["plan_code"]).to_numpy()
    gift = np.where(rng.random(len(amount)) < _DISCOUNTED_SHARE, amount // 20, 0)
    gross = np.maximum(amount, rental) + gift
    weights = rng.random((len(amount), len(_ITEMS))) * _ITEM_WEIGHTS
    items = (weights / weights.sum(axis=1, keepdims=True) * (gross - rental)[:, None]).astype(np.int64)
    items[:, -1] += gross - rental - items.sum(axis=1)
    columns = {"rental_fen": rental, "discount_fen": gross - amount, "total_fen": amount}
    return {name: pl.Series(values) for name, values in (columns | dict(zip(_ITEMS, items.T, strict=True))).items()}


def _settlement(payers: pl.DataFrame, amount: Ints, back: int, rng: np.random.Generator) -> dict[str, pl.Series]:
    """Paid and outstanding: barred subscribers owe the last two bills, some others a part of theirs."""
    barred = payers["status"].is_in(["3", "4"]).to_numpy() & (back < 2)
    slow = (rng.random(len(amount)) < _UNPAID_SHARE / 3**back) & (payers["user"].to_numpy() >= len(CASES))
    paid = np.where(barred, 0, np.where(slow, amount * rng.integers(0, 2, len(amount)) // 2, amount))
    return {"paid_fen": pl.Series(paid), "outstanding_fen": pl.Series(amount - paid)}


def _dates(month: np.datetime64, count: int, rng: np.random.Generator) -> dict[str, pl.Series]:
    """Issued in the first hours of the next month, due between its 15th and 25th."""
    closed_at = (month + 1).astype("datetime64[ms]")
    issued_at = closed_at + rng.integers(1_800, 18_000, count).astype("timedelta64[s]")
    due = (month + 1).astype("datetime64[D]") + rng.integers(14, 25, count)
    return {
        "billing_cycle": pl.repeat(str(month).replace("-", ""), count, eager=True),
        "month_start": pl.repeat(month.astype("datetime64[ms]").item(), count, dtype=pl.Datetime("ms"), eager=True),
        "issued_at": pl.Series(issued_at),
        "due_date": pl.Series(due),
    }
