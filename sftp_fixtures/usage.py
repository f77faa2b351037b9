"""Calls, messages, data sessions and value-added services of the closed days: USGE records."""

from __future__ import annotations

import numpy as np
import polars as pl

from sftp_fixtures import people
from sftp_fixtures.activity import Activity
from sftp_fixtures.draws import busy_times, numbered, pick, where
from sftp_fixtures.records import as_records
from sftp_fixtures.settings import Settings

_TYPES = ["V", "M", "D", "S"]
# Product → shares of the usage types.
_MIXES = {
    "MOB": [0.42, 0.13, 0.43, 0.02],
    "FIX": [1.0, 0.0, 0.0, 0.0],
    "BBD": [0.0, 0.0, 1.0, 0.0],
    "TVS": [0.0, 0.0, 0.9, 0.1],
    "IOT": [0.0, 0.1, 0.9, 0.0],
}
_LATE_SHARE = 0.01


def usage_records(
    settings: Settings, subscribers: pl.DataFrame, activity: Activity, rng: np.random.Generator
) -> pl.DataFrame:
    """USGE records of subscribers who are active at the time and not silent; some reach the cycle a day late."""
    return pl.concat([_day(settings, subscribers, activity, day, rng) for day in settings.day_starts])


def _day(
    settings: Settings, subscribers: pl.DataFrame, activity: Activity, day: np.datetime64, rng: np.random.Generator
) -> pl.DataFrame:
    users = np.repeat(np.arange(subscribers.height), rng.poisson(settings.rates.usage, subscribers.height))
    started_at = busy_times(rng, day + np.arange(24).astype("timedelta64[h]"), len(users))
    users = rng.permutation(users)
    started_at = started_at - np.where(rng.random(len(users)) < _LATE_SHARE, 1, 0).astype("timedelta64[D]")
    kept = activity.active(users, started_at) & ~subscribers["silent"].to_numpy()[users]
    users, started_at = users[kept], started_at[kept]
    kinds = _kinds(subscribers["product"].gather(users), rng)
    frame = pl.DataFrame(
        {
            "record_id": numbered(f"G{settings.source}{str(day)[:10].replace('-', '')}", np.arange(len(users))),
            "user_id": subscribers["user_id"].gather(users),
            "service_number": activity.numbers_at(users, started_at),
            "started_at": started_at,
            "usage_type": kinds,
            **_quantities(kinds, rng),
            **_partner(subscribers, kinds, rng),
            **_place(settings, len(users), rng),
        }
    )
    return as_records("USGE", frame, pl.lit(day))


def _kinds(products: pl.Series, rng: np.random.Generator) -> pl.Series:
    """A usage type for each product, by its mix."""
    bounds = np.cumsum(list(_MIXES.values()), axis=1)[:, :-1]
    place = products.replace_strict({product: n for n, product in enumerate(_MIXES)}, return_dtype=pl.Int64).to_numpy()
    return pl.Series(_TYPES).gather((rng.random(len(products))[:, None] >= bounds[place]).sum(axis=1))


def _quantities(kinds: pl.Series, rng: np.random.Generator) -> dict[str, pl.Series]:
    """Seconds, kilobytes and fee (fen); most of it is within the plan and costs nothing."""
    count = len(kinds)
    voice, data, service = ((kinds == kind).to_numpy() for kind in ("V", "D", "S"))
    talk = np.clip(np.exp(rng.normal(4.3, 1.1, count)), 1, 7_200).astype(np.int64)
    session = np.clip(np.exp(rng.normal(6.5, 1.0, count)), 10, 86_400).astype(np.int64)
    volume = np.clip(np.exp(rng.normal(9.5, 1.5, count)), 1, 20_000_000).astype(np.int64)
    priced = rng.random(count) < 0.1
    fee = np.where(voice, (talk // 60 + 1) * 15, np.where(data, volume // 1_024 * 3, np.where(service, 200, 10)))
    return {
        "duration_s": pl.Series(np.where(voice, talk, np.where(data, session, 0))),
        "volume_kb": pl.Series(np.where(data, volume, 0)),
        "fee_fen": pl.Series(np.where(priced | service, fee, 0)),
    }


def _partner(subscribers: pl.DataFrame, kinds: pl.Series, rng: np.random.Generator) -> dict[str, pl.Series]:
    """Direction, other number and its network, for calls and messages: every other one is a subscriber of ours."""
    count = len(kinds)
    talks = kinds.is_in(["V", "M"]).to_numpy()
    own = rng.random(count) < 0.5
    ours = subscribers["service_number"].gather(rng.integers(0, subscribers.height, count))
    theirs = people.mobile_numbers(rng, rng.integers(90_000_000, 100_000_000, count))
    number = pl.select(pl.when(pl.Series(own)).then(ours).otherwise(theirs)).to_series()
    network = pl.Series(["2", "1"]).gather(own.astype(np.int64))
    return {
        "direction": where(talks, pick(rng, ["O", "I"], count)),
        "counterpart": where(talks, number),
        "counterpart_network": where(talks, where(rng.random(count) < 0.95, network).fill_null("9")),
    }


def _place(settings: Settings, count: int, rng: np.random.Generator) -> dict[str, pl.Series]:
    roaming = pick(rng, ["0", "1", "2"], count, [95, 4.5, 0.5])
    home = settings.source[:2] + "01" + numbered("", rng.integers(1, 9, count), 2)
    away = pick(rng, ["310101", "330106", "440305", "510104"], count)
    area = pl.select(pl.when(roaming == "0").then(home).when(roaming == "1").then(away)).to_series()
    return {"visited_area": area, "roaming": roaming}
