"""Payments in the window, the reversals that name them, and the balances they leave: PAYM records."""

from __future__ import annotations

import numpy as np
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
    """One row a payment, by time: the PAYM columns and `user` (row number, null where the payer is not known).

    Who is resumed after arrears pays some minutes before; a reversal follows the payment that it names.
    """
    drawn = _drawn(settings, subscribers, activity, rng)
    owed = _owed(subscribers, changes, rng)
    parts = [drawn, owed, _case_top_up(settings, subscribers)]
    payments = pl.concat(parts, how="vertical").sort("paid_at", "user")
    payments = payments.with_columns(_who(subscribers, activity, payments, rng))
    payments = payments.with_columns(_how(settings, payments, rng))
    payments = pl.concat([payments, _reversals(settings, payments, rng)], how="vertical").sort("paid_at", "payment_id")
    balance = pl.Series(subscribers["balance_fen"]).gather(payments["user"])
    running = pl.col("amount_fen").cum_sum().over("user")
    return payments.with_columns(
        pl.when(pl.col("user_id").is_not_null()).then(balance + running).alias("balance_after_fen")
    )
