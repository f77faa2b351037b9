"""Check digits, vectorised: resident ID (GB 11643) and unified social credit code (GB 32100). Source of E411."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def resident_id(value: pl.Expr) -> pl.Expr:
    """Whether 17 digits and a check character satisfy ISO 7064 MOD 11-2, as GB 11643 has it."""
    weights = [pow(2, 17 - position, 11) for position in range(18)]
    digits = [value.str.slice(position, 1).cast(pl.Int32, strict=False) for position in range(17)]
    last = value.str.slice(17, 1)
    check = pl.when(last == "X").then(10).otherwise(last.cast(pl.Int32, strict=False))
    total = pl.sum_horizontal(
        [digit * weight for digit, weight in zip([*digits, check], weights, strict=True)], ignore_nulls=False
    )
    return (value.str.contains(r"\A[0-9]{17}[0-9X]\z") & (total % 11 == 1)).fill_null(False)


def credit_code(value: pl.Expr) -> pl.Expr:
    """Whether 17 characters and a check character satisfy MOD 31 with weights 3^i, as GB 32100 has it."""
    ranks = {character: rank for rank, character in enumerate(_CREDIT_ALPHABET)}
    values = [
        value.str.slice(position, 1).replace_strict(ranks, default=None, return_dtype=pl.Int32)
        for position in range(18)
    ]
    weights = [*(pow(3, position, 31) for position in range(17)), 1]
    total = pl.sum_horizontal([rank * weight for rank, weight in zip(values, weights, strict=True)], ignore_nulls=False)
    return (value.str.contains(rf"\A[{_CREDIT_ALPHABET}]{{18}}\z") & (total % 31 == 0)).fill_null(False)


SCHEMES: dict[str, Callable[[pl.Expr], pl.Expr]] = {"gb11643": resident_id, "gb32100": credit_code}
