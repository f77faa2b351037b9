"""Products and plans of the generated province."""

from __future__ import annotations

import numpy as np
import polars as pl

from sftp_fixtures.draws import Ints

# Product → monthly prices (yuan) of its plans; a plan's code is the product and its price: MOB059.
PRICES: dict[str, tuple[int, ...]] = {
    "MOB": (8, 19, 39, 59, 79, 99, 129, 159, 199, 299, 399, 599),
    "FIX": (15, 25, 50),
    "BBD": (60, 100, 150),
    "TVS": (20, 30),
    "IOT": (3, 5, 10),
}
# Product → (share of the subscribers, median of the monthly spend in fen).
PRODUCTS: dict[str, tuple[float, int]] = {
    "MOB": (0.78, 5_800),
    "FIX": (0.06, 3_000),
    "BBD": (0.10, 9_000),
    "TVS": (0.04, 3_000),
    "IOT": (0.02, 600),
}


def plan_codes(products: pl.Series, spend_fen: Ints) -> pl.Series:
    """The dearest plan that each subscriber's spend covers, or the product's cheapest."""
    return _plans(products, spend_fen, 0)


def next_plan_codes(products: pl.Series, spend_fen: Ints, step: int = 1) -> pl.Series:
    """Another plan of the same product, `step` above it in price, round from the dearest to the cheapest."""
    return _plans(products, spend_fen, step)


def rentals_fen(plans: pl.Series) -> pl.Series:
    """The monthly price (fen) of each plan."""
    return plans.str.slice(3).cast(pl.Int64) * 100


def _plans(products: pl.Series, spend_fen: Ints, step: int) -> pl.Series:
    codes = np.empty(len(products), dtype="U6")
    for product, prices in PRICES.items():
        mask = (products == product).to_numpy()
        place = np.maximum(np.searchsorted(np.array(prices) * 100, spend_fen[mask], side="right") - 1, 0)
        codes[mask] = np.array([f"{product}{price:03d}" for price in prices])[(place + step) % len(prices)]
    return pl.Series(codes.tolist(), dtype=pl.String)
