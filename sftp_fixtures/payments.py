"""Payments in the window, the reversals that name them, and the balances they leave: PAYM records."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from sftp_fixtures.activity import Activity
from sftp_fixtures.cases import CASES
from sftp_fixtures.draws import Ints, Times, busy_times, late, numbered, pick, where
from sftp_fixtures.records import as_records
from sftp_fixtures.settings import Settings

_MINUTE = np.timedelta64(60, "s")
_TOP_UPS_YUAN, _TOP_UP_WEIGHTS = ["10", "30", "50", "100", "200", "300", "500"], [5, 20, 30, 30, 8, 4, 3]
# Kinds: most pay a bill or top up; few leave a deposit (3) or get money back (4).
_DEPOSIT_SHARE, _REFUND_SHARE, _REVERSED_SHARE, _ANONYMOUS_SHARE = 0.01, 0.01, 0.004, 0.03
_CASE_TOP_UP = "C3_TOPPED_UP"


def make_payments(
    settings: Settings, subscribers: pl.DataFrame, changes: pl.DataFrame, activity: Activity, rng: np.random.Generator
) -> pl.DataFrame:
    """One row a payment, by time: the PAYM columns and `user` (row number).

    Who is resumed after arrears pays some minutes before; a reversal follows the payment that it names. Where the payer
    is not known, user_id and balance_after_fen are missing, and the payment changes no balance.
    """
    drawn = _drawn(settings, subscribers, activity, rng)
    parts = [drawn, _owed(settings, subscribers, changes, rng), _case_top_up(settings, subscribers)]
    payments = pl.concat(parts).sort("paid_at", "user")
    payments = payments.with_columns(_who(settings, subscribers, activity, payments, rng))
    payments = payments.with_columns(_how(settings, payments, rng))
    payments = pl.concat([payments, _reversals(settings, payments, rng)]).sort("paid_at", "payment_id")
    before = subscribers["balance_fen"].gather(payments["user"])
    paid = pl.when(pl.col("user_id").is_not_null()).then("amount_fen")
    return payments.with_columns((before + paid.cum_sum().over("user")).alias("balance_after_fen"))


def payment_records(settings: Settings, payments: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """PAYM records; one in a hundred reaches a cycle some hours after its own."""
    cycle_time = late(rng, payments["paid_at"].to_numpy(), settings.hour_starts)
    return as_records("PAYM", payments.with_columns(pl.Series("cycle_time", cycle_time)), "cycle_time")


def _drawn(settings: Settings, subscribers: pl.DataFrame, activity: Activity, rng: np.random.Generator) -> pl.DataFrame:
    """Payments of subscribers who are active at the time: top-ups of prepaid ones, bill payments of the others."""
    days = len(settings.hour_starts) / 24
    count = round(settings.subscribers * settings.rates.payments * days)
    paid_at = busy_times(rng, settings.hour_starts, count)
    users = rng.integers(0, subscribers.height, count)
    kept = (users >= len(CASES)) & activity.active(users, paid_at)
    users, paid_at = users[kept], paid_at[kept]
    payers = subscribers[users]
    prepaid = (payers["pay_mode"] == "PRE").to_numpy()
    yuan = pick(rng, _TOP_UPS_YUAN, len(users), _TOP_UP_WEIGHTS).cast(pl.Int64).to_numpy()
    amount = np.where(prepaid, yuan * 100, np.maximum(payers["spend_fen"].to_numpy(), 100))
    special = rng.random(len(users))
    refund = special < _REFUND_SHARE
    kind = np.where(prepaid, "2", "1")
    kind = np.where(special > 1 - _DEPOSIT_SHARE, "3", np.where(refund, "4", kind))
    return _payments(users, paid_at, np.where(refund, -1000 - amount // 10, amount), kind, is_plain=True)


def _owed(
    settings: Settings, subscribers: pl.DataFrame, changes: pl.DataFrame, rng: np.random.Generator
) -> pl.DataFrame:
    """What those who are resumed after arrears paid shortly before."""
    resumed = changes.filter(pl.col("change_type") == "06")
    resumed = resumed.filter(pl.Series(subscribers["status"].gather(resumed["user"]) != "2"))
    payers = subscribers[resumed["user"].to_numpy()]
    minutes = rng.integers(1, 11, resumed.height) * _MINUTE
    paid_at = np.maximum(resumed["changed_at"].to_numpy() - minutes, settings.hour_starts[0])
    amount = np.maximum(10_000, 2_000 - payers["balance_fen"].to_numpy())
    kind = np.where((payers["pay_mode"] == "PRE").to_numpy(), "2", "1")
    return _payments(resumed["user"].to_numpy(), paid_at, amount, kind, is_plain=False)


def _case_top_up(settings: Settings, subscribers: pl.DataFrame) -> pl.DataFrame:
    """The large top-up of the planted subscriber of churn warning C3, in the first hour of the window."""
    users = np.array([n for n, case in enumerate(CASES) if case.name == _CASE_TOP_UP and n < settings.subscribers])
    users = users.astype(np.int64)
    paid_at: Times = np.full(len(users), settings.hour_starts[0] + 5 * _MINUTE)
    return _payments(users, paid_at, np.full(len(users), 40_000), np.full(len(users), "2"), is_plain=False)


def _payments(users: Ints, paid_at: Times, amount: Ints, kind: npt.NDArray[np.str_], *, is_plain: bool) -> pl.DataFrame:
    """`is_plain`: nothing else relies on the payment, so it may be reversed or lack its user_id."""
    return pl.DataFrame(
        {"user": users, "paid_at": paid_at, "amount_fen": amount, "kind": kind.tolist(), "is_plain": is_plain},
        schema={
            "user": pl.Int64, "paid_at": pl.Datetime("ms"), "amount_fen": pl.Int64, "kind": pl.String,
            "is_plain": pl.Boolean,
        },
    )  # fmt: skip


def _who(
    settings: Settings, subscribers: pl.DataFrame, activity: Activity, payments: pl.DataFrame, rng: np.random.Generator
) -> list[pl.Series]:
    users = payments["user"].to_numpy()
    known = ~payments["is_plain"].to_numpy() | (rng.random(payments.height) >= _ANONYMOUS_SHARE)
    return [
        numbered(f"P{settings.source}", np.arange(payments.height)).alias("payment_id"),
        subscribers["account_id"].gather(users).alias("account_id"),
        where(known, subscribers["user_id"].gather(users)).alias("user_id"),
        activity.numbers_at(users, payments["paid_at"].to_numpy()).alias("service_number"),
    ]


def _how(settings: Settings, payments: pl.DataFrame, rng: np.random.Generator) -> list[pl.Series]:
    count = payments.height
    channel = pick(rng, ["HALL", "WEB", "APP", "BANK", "AGENT", "IVR"], count, [15, 10, 50, 10, 10, 5])
    own_method = channel.replace_strict(
        {"HALL": "CASH", "WEB": "BANK", "APP": "WALLET", "BANK": "BANK", "AGENT": "CASH", "IVR": "VOUCHER"}
    )
    method = where(rng.random(count) < 0.8, own_method).fill_null("CARD")
    month = str(np.datetime64(settings.end, "M") - 1).replace("-", "")
    served = channel.is_in(["HALL", "AGENT"]).to_numpy()
    return [
        method.alias("method"),
        channel.alias("channel"),
        pl.repeat(None, count, dtype=pl.String, eager=True).alias("reversed_payment_id"),
        where((payments["kind"] == "1").to_numpy(), pl.repeat(month, count, eager=True)).alias("billing_cycle"),
        where(served, numbered("OP", rng.integers(1, 400, count), 4)).alias("operator_id"),
    ]


def _reversals(settings: Settings, payments: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Reversals of some payments, minutes to hours after them and within the window."""
    plain = payments.filter("is_plain", pl.col("kind").is_in(["1", "2"]), pl.col("user_id").is_not_null())
    reversed_at = plain["paid_at"].to_numpy() + rng.integers(5, 180, plain.height) * _MINUTE
    candidates = np.flatnonzero(reversed_at < settings.hour_starts[-1] + 60 * _MINUTE)
    chosen = np.sort(rng.permutation(candidates)[: max(1, round(len(candidates) * _REVERSED_SHARE))])
    numbers = payments.height + np.arange(len(chosen))
    return plain[chosen].with_columns(
        pl.lit("9").alias("kind"),
        -pl.col("amount_fen"),
        pl.Series("paid_at", reversed_at[chosen]),
        pl.col("payment_id").alias("reversed_payment_id"),
        numbered(f"P{settings.source}", numbers).alias("payment_id"),
        pl.lit(None, pl.String).alias("billing_cycle"),
    )
