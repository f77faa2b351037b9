"""Subscribers of the generated province as they stand at the start of the window, and those who come in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from sftp_fixtures import people, plans
from sftp_fixtures.cases import CASES
from sftp_fixtures.customers import Customers
from sftp_fixtures.draws import Flags, Ints, Times, between, moment, numbered, pick, where
from sftp_fixtures.settings import Settings

_DAY = np.timedelta64(1, "D")
_STATUS_SHARES = {"1": 0.93, "2": 0.012, "3": 0.013, "4": 0.008, "9": 0.037}
_SILENT_SHARE = 0.06
_REPLANNED_SHARE = 0.15


def make_subscribers(settings: Settings, customers: Customers, rng: np.random.Generator) -> pl.DataFrame:
    """One row a subscriber, the cases first and the newcomers last.

    Columns: those of USER but op and op_time; `user` (row number), `opened_at`, `first_plan` with `replanned_at`
    (null where the plan never changed), `spend_fen` (a usual bill), `tier` (roughly), `silent` (never uses anything).
    """
    owners = np.concatenate([np.repeat(np.arange(len(customers.sizes)), customers.sizes), customers.newcomers])
    opened_at = _opened_at(settings, customers, owners, rng)
    products = pick(rng, list(plans.PRODUCTS), len(owners), [share for share, _ in plans.PRODUCTS.values()])
    products = _planted(products, ["MOB"] * len(CASES))
    frame = pl.DataFrame(
        {
            "user": np.arange(len(owners)),
            "user_id": numbered(f"U{settings.source}", np.arange(len(owners))),
            "customer_id": customers.frame["customer_id"].gather(owners),
            "account_id": numbered(f"A{settings.source}", owners),
            "service_number": people.service_numbers(rng, products, np.arange(len(owners))),
            "product": products,
            "opened_at": pl.Series(opened_at),
            "open_date": pl.Series(opened_at).dt.date(),
        }
    )
    frame = frame.with_columns(**_status(settings, opened_at, len(customers.newcomers), rng))
    frame = frame.with_columns(**_spending(products, rng))
    frame = frame.with_columns(**_plan_history(settings, frame, rng))
    return frame.with_columns(**_account(settings, frame, rng))


def _opened_at(settings: Settings, customers: Customers, owners: Ints, rng: np.random.Generator) -> Times:
    """The first subscriber of a customer comes with him, the others later, all a day or more before the window."""
    created_at = customers.frame["created_at"].to_numpy()[owners]
    is_first = np.concatenate([[True], owners[1:] != owners[:-1]])
    latest: Times = np.full(len(owners), moment(settings.first_day) - _DAY)
    return np.where(is_first, created_at, between(rng, created_at, latest))


def _status(settings: Settings, opened_at: Times, newcomers: int, rng: np.random.Generator) -> dict[str, pl.Series]:
    """Status and since when: closed ones closed within 14 months, barred and suspended ones are so up to 60 days."""
    count = len(opened_at)
    status = pick(rng, list(_STATUS_SHARES), count, list(_STATUS_SHARES.values()))
    status = _planted(status, [case.status for case in CASES])
    status = where(np.arange(count) < count - newcomers, status).fill_null("1")
    days = np.where((status == "9").to_numpy(), 420, 60)
    age = (rng.random(count) * days * 86_400).astype("timedelta64[s]") + np.timedelta64(1, "m")
    planted = [np.timedelta64(case.status_days, "D") for case in CASES][:count]
    age[: len(planted)] = planted
    start = moment(settings.first_day)
    since = np.maximum(start - age, opened_at + np.timedelta64(1, "h"))
    status_time = np.where((status == "1").to_numpy(), opened_at, since)
    return {
        "status": status,
        "status_time": pl.Series(status_time),
        "close_date": where((status == "9").to_numpy(), pl.Series(status_time).dt.date()),
    }


def _spending(products: pl.Series, rng: np.random.Generator) -> dict[str, pl.Series]:
    medians = products.replace_strict({name: median for name, (_, median) in plans.PRODUCTS.items()})
    spend = np.exp(rng.normal(0, 0.8, len(products))) * medians.to_numpy()
    fen = _planted(pl.Series(spend).round().cast(pl.Int64), [case.bills_yuan[0] * 100 for case in CASES])
    tiers = fen.to_frame("fen").select(
        pl.when(pl.col("fen") >= 50_000).then(pl.lit("D")).when(pl.col("fen") >= 30_000).then(pl.lit("G"))
        .when(pl.col("fen") >= 15_000).then(pl.lit("S")).otherwise(pl.lit("N"))
    ).to_series()  # fmt: skip
    silent = _planted(pl.Series(rng.random(len(products)) < _SILENT_SHARE), [case.silent for case in CASES])
    return {"spend_fen": fen, "tier": tiers, "silent": silent}


def _plan_history(settings: Settings, frame: pl.DataFrame, rng: np.random.Generator) -> dict[str, pl.Series]:
    """Present plan, first plan, and when the one became the other: before the window and before a change of status."""
    products, spend = frame["product"], frame["spend_fen"].to_numpy()
    opened_at: Times = frame["opened_at"].to_numpy()
    start = moment(settings.first_day)
    replanned: Flags = (rng.random(frame.height) < _REPLANNED_SHARE) & (opened_at < start)
    replanned[: len(CASES)] = False
    latest = np.where((frame["status"] == "1").to_numpy(), start, frame["status_time"].to_numpy())
    earliest: Times = opened_at + np.timedelta64(1, "m")
    plan, other = plans.plan_codes(products, spend), plans.next_plan_codes(products, spend)
    return {
        "plan_code": plan,
        "first_plan": where(replanned, other).fill_null(plan),
        "replanned_at": where(replanned, pl.Series(between(rng, earliest, latest))),
    }


def _account(settings: Settings, frame: pl.DataFrame, rng: np.random.Generator) -> dict[str, pl.Series]:
    count, spend = frame.height, frame["spend_fen"].to_numpy()
    prepaid = _planted(pick(rng, ["PRE", "POST"], count, [6, 4]), [case.pay_mode for case in CASES])
    is_prepaid = (prepaid == "PRE").to_numpy()
    owing = frame["status"].is_in(["3", "4"]).to_numpy()
    balance = np.where(is_prepaid, spend * rng.random(count) * 2, 0)
    balance = np.where(owing, -spend * (1 + rng.random(count)), balance).astype(np.int64)
    today = np.datetime64(settings.today, "D")
    expiry = today + rng.integers(5, 365, count)
    # The fifth of the next month: churn warning C3 looks at balances that expire in it.
    expiry[: len(CASES)] = (np.datetime64(settings.end, "M") + 1).astype("datetime64[D]") + 4
    level = where(rng.random(count) < 0.01, pick(rng, ["D", "G", "S"], count, [1, 3, 6]))
    return {
        "pay_mode": prepaid,
        "area_code": settings.source[:2] + "01" + numbered("", rng.integers(1, 9, count), 2),
        "dealer_id": where(rng.random(count) < 0.6, numbered(f"D{settings.source}", rng.integers(1, 300, count), 6)),
        "credit_limit_fen": where(~is_prepaid, pl.Series(rng.choice([5_000, 10_000, 50_000, 100_000], count))),
        "balance_fen": _planted(pl.Series(balance), [case.balance_fen for case in CASES]),
        "balance_expiry": where(is_prepaid, pl.Series(expiry)),
        "contract_end": where(rng.random(count) < 0.4, pl.Series(today + rng.integers(-200, 700, count))),
        "member_level": _planted(level, [case.member_level for case in CASES]),
    }


def _planted(column: pl.Series, values: Sequence[object]) -> pl.Series:
    """The column with the cases' values in its first rows."""
    first = pl.Series(values[: len(column)], dtype=column.dtype)
    return first.append(column.slice(len(first)))
