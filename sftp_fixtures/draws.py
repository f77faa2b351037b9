"""Random columns: every draw of the generated province goes through here, so that a seed fixes every byte.

Times are whole seconds, naive, and mean Asia/Shanghai; their unit is milliseconds because polars takes no seconds.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]

# How busy the hours of a day are, from 00:00 on: quiet at night, a peak before noon and one after supper.
_BUSY = np.array([2, 1, 1, 1, 1, 2, 4, 8, 14, 20, 22, 18, 14, 14, 17, 18, 17, 16, 17, 19, 18, 13, 8, 4], float)


def moment(at: datetime) -> np.datetime64:
    """The time in the unit of all columns."""
    return np.datetime64(at, "ms")


def stream(seed: int, source: str, part: str) -> np.random.Generator:
    """A random stream for each part, so that a change in one part leaves the others as they were."""
    return np.random.default_rng([seed, int(source), zlib.crc32(part.encode())])


def pick(
    rng: np.random.Generator, values: Sequence[str], count: int, weights: Sequence[float] | None = None
) -> pl.Series:
    """`count` of the values as a text column, drawn with replacement; the weights need not add up to one."""
    shares = None if weights is None else np.array(weights, float) / sum(weights)
    return pl.Series(values, dtype=pl.String).gather(rng.choice(len(values), count, p=shares))


def numbered(prefix: str, numbers: Ints, width: int = 9) -> pl.Series:
    """Ids: the prefix and the number, filled up with zeros to `width` digits."""
    return prefix + pl.Series(numbers, dtype=pl.Int64).cast(pl.String).str.zfill(width)


def where(mask: Flags, values: pl.Series) -> pl.Series:
    """The values where the mask holds, elsewhere missing ones."""
    return pl.select(pl.when(pl.Series(mask, dtype=pl.Boolean)).then(values)).to_series()


def between(rng: np.random.Generator, low: Times, high: Times) -> Times:
    """A whole second for each pair, from `low` (included) to `high` (excluded, but `low` where nothing is between)."""
    seconds = np.maximum((high - low) // np.timedelta64(1, "s"), 1)
    drawn: Times = low + (rng.random(len(low)) * seconds).astype("timedelta64[s]")
    return drawn


def busy_times(rng: np.random.Generator, hour_starts: Times, count: int) -> Times:
    """`count` sorted times within the given hours, more of them in the busy hours of the day."""
    if not len(hour_starts):
        return np.empty(0, "datetime64[ms]")
    hours = hour_starts.astype("datetime64[h]").astype(np.int64) % 24
    chosen = hour_starts[rng.choice(len(hour_starts), count, p=_BUSY[hours] / _BUSY[hours].sum())]
    return np.sort(chosen + rng.integers(0, 3600, count).astype("timedelta64[s]"))


def late(rng: np.random.Generator, times: Times, hour_starts: Times, share: float = 0.01) -> Times:
    """The times, a share of them moved one to five hours on, but not past the last of the hours."""
    hours = np.where(rng.random(len(times)) < share, rng.integers(1, 6, len(times)), 0)
    moved = times + hours.astype("timedelta64[h]")
    return np.where(moved < hour_starts[-1] + np.timedelta64(1, "h"), moved, times)
