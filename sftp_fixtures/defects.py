"""Rows of PAYM broken on purpose, each in one known way."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from sftp_fixtures.writer import UNREADABLE

# Code that a row earns → (column, what stands in it instead). A negated amount is a refund that does not say so.
_DEFECTS: dict[str, tuple[str, pl.Expr]] = {
    "E401": ("operator_id", pl.lit("OP0001|OP0002")),
    "E402": ("account_id", pl.lit(None, pl.String)),
    "E403": ("amount_fen", pl.lit("12.50")),
    "E404": ("operator_id", pl.lit("OP0000000000000000001")),
    "E405": ("operator_id", pl.lit("OP-0001")),
    "E406": ("method", pl.lit("COIN")),
    "E407": ("amount_fen", pl.lit("0")),
    "E408": ("amount_fen", "-" + pl.col("amount_fen").cast(pl.String)),
    "E410": ("service_number", pl.lit(f"1380013{UNREADABLE}8000")),
}
# A record that cannot be split or decoded, or whose amount cannot be read, adds nothing to the control total.
_UNCOUNTED = ("E401", "E403", "E410")
DEFECT_CODES = tuple(_DEFECTS)


def break_payments(
    records: pl.DataFrame, share: float, rng: np.random.Generator
) -> tuple[pl.DataFrame, Mapping[str, int]]:
    """The records with a share of them broken, and how many rows earn each code (each of them only that one).

    Only payments proper (kinds 1 to 3) are broken. Where `share` is above 0, at least one row is. The control total
    counts what a reader can count.
    """
    candidates = np.flatnonzero(records["kind"].is_in(["1", "2", "3"]).to_numpy())
    wanted = min(len(candidates), max(1, round(records.height * share))) if share > 0 else 0
    defect = np.full(records.height, "", dtype="U4")
    broken = rng.permutation(candidates)[:wanted]
    defect[broken] = np.resize(DEFECT_CODES, wanted)
    code = pl.Series("defect", defect.tolist(), dtype=pl.String)
    frame = records.with_columns(code, amount=pl.col("amount_fen").cast(pl.String))
    changed: dict[str, pl.Expr] = {}
    for name, (column, value) in _DEFECTS.items():
        before = changed.get(column, pl.col(column).cast(pl.String))
        changed[column] = pl.when(pl.col("defect") == name).then(value).otherwise(before)
    control = (
        pl.when(pl.col("defect").is_in(_UNCOUNTED))
        .then(0)
        .otherwise(changed["amount_fen"].cast(pl.Int64, strict=False))
    )
    counts = {str(name): int(n) for name, n in zip(*np.unique(defect[broken], return_counts=True), strict=True)}
    return frame.with_columns(**changed, control=control).select(records.columns), counts
