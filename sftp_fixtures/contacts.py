"""Service contacts of the closed days: CONT records, some of which open a work order."""

from __future__ import annotations

import numpy as np
import polars as pl

from sftp_fixtures import people
from sftp_fixtures.activity import Activity
from sftp_fixtures.cases import CASES
from sftp_fixtures.draws import busy_times, numbered, pick, where
from sftp_fixtures.records import as_records
from sftp_fixtures.settings import Settings

_CHANNELS = {"IVR": 40, "AGENT": 35, "OUTBOUND": 8, "WEB": 12, "HALL": 5}
# Channel → outcomes and their weights.
_OUTCOMES = {
    "IVR": {"SELF": 85, "ABANDONED": 15},
    "AGENT": {"ANSWERED": 90, "ABANDONED": 8, "OVERFLOW": 2},
    "OUTBOUND": {"ANSWERED": 70, "ABANDONED": 30},
    "WEB": {"SELF": 70, "ANSWERED": 30},
    "HALL": {"ANSWERED": 1},
}
_PURPOSES = {"INQUIRY": 45, "REQUEST": 20, "COMPLAINT": 14, "FAULT": 15, "RETENTION": 6}
_WITH_ORDER = ["REQUEST", "COMPLAINT", "FAULT", "RETENTION"]
_SKILLS = {"D": "SK_DIAMOND", "G": "SK_GOLD", "S": "SK_SILVER", "N": "SK_GENERAL"}
# Mean seconds in the queue, by tier: the better the tier, the sooner an agent answers.
_WAIT_S = {"D": 5, "G": 8, "S": 10, "N": 14}
_UNKNOWN_SHARE, _ORDER_SHARE, _RATED_SHARE = 0.04, 0.6, 0.4
_LOYAL_CASE = "ADVOCATE"


def make_contacts(
    settings: Settings, subscribers: pl.DataFrame, activity: Activity, rng: np.random.Generator
) -> pl.DataFrame:
    """One row a contact, by time: the CONT columns, and `tier` (of who contacts us).

    Some come from numbers that are nobody's here. The planted advocate calls twice on each closed day and is content.
    """
    frame = _callers(settings, subscribers, activity, rng)
    frame = frame.with_columns(_outcomes(frame, rng))
    frame = frame.with_columns(_times(frame, rng))
    frame = frame.with_columns(_purposes(frame, rng))
    frame = frame.with_columns(_ratings(frame, rng))
    agents = numbered("OP", rng.integers(1, 400, frame.height), 4)
    served = frame["channel"].is_in(["AGENT", "OUTBOUND", "HALL"]) & (frame["outcome"] == "ANSWERED")
    ordered = frame["purpose"].is_in(_WITH_ORDER) & frame["user_id"].is_not_null() & (frame["outcome"] == "ANSWERED")
    # A work order is opened when the contact ends, and its first record must fall on a closed day.
    ordered &= (frame["ended_at"] < settings.today) & pl.Series(rng.random(frame.height) < _ORDER_SHARE)
    routed = frame["channel"].is_in(["IVR", "AGENT", "OUTBOUND"]) & frame["user_id"].is_not_null()
    days = frame["arrived_at"].dt.strftime("%Y%m%d")
    return frame.with_columns(
        ("K" + settings.source + days + numbered("", np.arange(frame.height), 7)).alias("contact_id"),
        where((frame["channel"] == "AGENT").to_numpy(), frame["tier"].replace_strict(_SKILLS)).alias("skill_group"),
        where(routed.to_numpy(), frame["tier"]).alias("tier_served"),
        where(ordered.to_numpy(), numbered(f"W{settings.source}", np.arange(frame.height))).alias("work_order_id"),
        where(served.to_numpy(), agents).alias("agent_id"),
    )


def contact_records(contacts: pl.DataFrame) -> pl.DataFrame:
    """CONT records, in the cycle of their arrival."""
    return as_records("CONT", contacts, "arrived_at")


def _callers(
    settings: Settings, subscribers: pl.DataFrame, activity: Activity, rng: np.random.Generator
) -> pl.DataFrame:
    """Who contacts us, when and how: arrived_at, channel, user_id, service_number, tier, is_loyal."""
    days = settings.day_starts
    hours = (days[:, None] + np.arange(24).astype("timedelta64[h]")).ravel()
    count = len(days) * max(40, round(settings.subscribers * settings.rates.contacts))
    loyal = np.array([n for n, case in enumerate(CASES) if case.name == _LOYAL_CASE and n < settings.subscribers])
    loyal_at = (days[:, None] + np.array([10, 16]).astype("timedelta64[h]")).ravel()[: 2 * len(days) * len(loyal)]
    users = np.concatenate(
        [rng.integers(0, subscribers.height, count), np.resize(loyal, len(loyal_at)).astype(np.int64)]
    )
    arrived_at = np.concatenate([busy_times(rng, hours, count), loyal_at])
    is_loyal = np.arange(len(users)) >= count
    known = activity.active(users, arrived_at) & (users >= len(CASES)) & (rng.random(len(users)) >= _UNKNOWN_SHARE)
    known |= is_loyal
    strangers = people.mobile_numbers(rng, rng.integers(90_000_000, 100_000_000, len(users)))
    channel = where(~is_loyal, pick(rng, list(_CHANNELS), len(users), list(_CHANNELS.values()))).fill_null("AGENT")
    return pl.DataFrame(
        {
            "arrived_at": arrived_at,
            "channel": channel,
            "user_id": where(known, subscribers["user_id"].gather(users)),
            "service_number": where(known, activity.numbers_at(users, arrived_at)).fill_null(strangers),
            "tier": where(known, subscribers["tier"].gather(users)).fill_null("N"),
            "is_loyal": is_loyal,
        }
    ).sort("arrived_at", "service_number")


def _outcomes(frame: pl.DataFrame, rng: np.random.Generator) -> pl.Series:
    outcome = pl.repeat(None, frame.height, dtype=pl.String, eager=True)
    for channel, weights in _OUTCOMES.items():
        drawn = pick(rng, list(weights), frame.height, list(weights.values()))
        outcome = outcome.fill_null(where((frame["channel"] == channel).to_numpy(), drawn))
    return where(~frame["is_loyal"].to_numpy(), outcome).fill_null("ANSWERED").alias("outcome")


def _times(frame: pl.DataFrame, rng: np.random.Generator) -> list[pl.Series]:
    """queued_at (agents only), answered_at (of answered calls), ended_at."""
    count = frame.height
    agent = (frame["channel"] == "AGENT").to_numpy()
    answered = ((frame["outcome"] == "ANSWERED") & frame["channel"].is_in(["AGENT", "OUTBOUND", "HALL"])).to_numpy()
    mean_wait = frame["tier"].replace_strict(_WAIT_S, return_dtype=pl.Int64).to_numpy()
    menu = np.where(agent, rng.integers(15, 60, count), 0).astype("timedelta64[s]")
    wait = np.ceil(rng.exponential(mean_wait)).astype("timedelta64[s]")
    talk = np.clip(np.exp(rng.normal(5.0, 0.8, count)), 10, 3_600).astype(np.int64).astype("timedelta64[s]")
    queued_at = frame["arrived_at"].to_numpy() + menu
    return [
        where(agent, pl.Series(queued_at)).alias("queued_at"),
        where(answered, pl.Series(queued_at + wait)).alias("answered_at"),
        pl.Series("ended_at", queued_at + wait + np.where(answered, talk, talk // 5)),
    ]


def _purposes(frame: pl.DataFrame, rng: np.random.Generator) -> pl.Series:
    """What a contact was about: unknown for those abandoned, retention or survey where we call."""
    count = frame.height
    purpose = pl.select(
        pl.when(frame["is_loyal"] | (frame["outcome"] == "SELF")).then(pl.lit("INQUIRY"))
        .when(frame["channel"] == "OUTBOUND").then(pick(rng, ["RETENTION", "SURVEY"], count, [6, 4]))
        .otherwise(pick(rng, list(_PURPOSES), count, list(_PURPOSES.values())))
    ).to_series()  # fmt: skip
    return where(frame["outcome"].is_in(["ANSWERED", "SELF"]).to_numpy(), purpose).alias("purpose")


def _ratings(frame: pl.DataFrame, rng: np.random.Generator) -> list[pl.Series]:
    """satisfaction and retention_result; complaints are rated worse, the advocate always rates 5."""
    count = frame.height
    usual, angry = (pick(rng, list("54321"), count, weights) for weights in ([50, 30, 12, 5, 3], [15, 25, 25, 20, 15]))
    rated = (frame["outcome"] == "ANSWERED") & (pl.Series(rng.random(count) < _RATED_SHARE) | frame["is_loyal"])
    rating = pl.select(
        pl.when(frame["is_loyal"]).then(pl.lit("5")).when(frame["purpose"] == "COMPLAINT").then(angry).otherwise(usual)
    ).to_series()
    results = pick(rng, ["KEPT", "LOST", "PENDING"], count, [55, 20, 25])
    retention = (frame["purpose"] == "RETENTION").fill_null(False)
    return [
        where(rated.to_numpy(), rating.cast(pl.Int64)).alias("satisfaction"),
        where(retention.to_numpy(), results).alias("retention_result"),
    ]
