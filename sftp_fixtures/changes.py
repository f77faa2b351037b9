"""What changes subscribers in the window: CHNG records, and the patches that USER records agree with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from sftp_fixtures import people, plans
from sftp_fixtures.cases import CASES
from sftp_fixtures.customers import Customers
from sftp_fixtures.draws import Ints, busy_times, late, numbered, pick, where
from sftp_fixtures.records import as_records
from sftp_fixtures.settings import Settings

# Status at the start of the window → change type → share of those subscribers to whom it happens on a day.
_SHARES: Mapping[str, Mapping[str, float]] = {
    "1": {
        "02": 0.0004, "14": 0.0001, "03": 0.0003, "04": 0.0008, "07": 0.0001, "08": 0.0002, "09": 0.0004, "10": 0.0008,
        "11": 0.0008, "12": 0.0004,
    },
    "2": {"06": 0.03},
    "3": {"05": 0.03, "06": 0.05},
    "4": {"06": 0.03},
}  # fmt: skip
_STATUS = {"02": "9", "14": "9", "03": "2", "04": "3", "05": "4", "06": "1"}
_REASONS = {
    "01": "新开户", "02": "客户申请", "03": "客户申请", "04": "欠费", "05": "欠费", "06": "复机", "07": "过户",
    "08": "改号", "09": "换卡", "10": "套餐变更", "11": "业务订购", "12": "业务退订", "13": "携号转入",
    "14": "携号转出",
}  # fmt: skip
_SERVICES = ["CRBT01", "CLIP01", "ROAM01", "VOLTE1", "CLOUD1"]


def make_changes(
    settings: Settings, customers: Customers, subscribers: pl.DataFrame, rng: np.random.Generator
) -> pl.DataFrame:
    """One row a change, by time: the CHNG columns, `user`, and what it patches (null where it does not).

    A subscriber has at most one change, but for one barred for arrears who pays and is resumed. Patches: `status`,
    `status_time`, `close_date`, `to_customer_id`, `to_service_number`, `to_plan_code`.
    """
    events = _events(settings, subscribers, len(customers.newcomers), rng)
    base = ["user_id", "customer_id", "service_number", "product", "plan_code", "spend_fen"]
    events = pl.concat([events, subscribers[events["user"].to_numpy()].select(base)], how="horizontal")
    events = _with_values(events, _targets(customers, events, rng), rng)
    status = pl.col("change_type").replace_strict(_STATUS, default=None, return_dtype=pl.String)
    return events.with_columns(
        _circumstances(settings, events, rng),
        status=status,
        status_time=pl.when(status.is_not_null()).then("effective_at"),
        close_date=pl.when(status == "9").then(pl.col("effective_at").dt.date()),
    )


def change_records(settings: Settings, changes: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """CHNG records; one in a hundred reaches a cycle some hours after its own."""
    cycle_time = late(rng, changes["changed_at"].to_numpy(), settings.hour_starts)
    return as_records("CHNG", changes.with_columns(pl.Series("cycle_time", cycle_time)), "cycle_time")


def _events(settings: Settings, subscribers: pl.DataFrame, newcomers: int, rng: np.random.Generator) -> pl.DataFrame:
    """user, change_type, changed_at: drawn changes, resumptions of those barred in the window, and openings."""
    settled = subscribers[len(CASES) : subscribers.height - newcomers]
    users, types = _drawn(settings, settled, rng)
    changed_at = rng.permutation(busy_times(rng, settings.hour_starts, len(users)))
    barred = np.flatnonzero(types == "04")[::2]
    resumed_at = changed_at[barred] + rng.integers(20 * 60, 12 * 3600, len(barred)).astype("timedelta64[s]")
    in_time = resumed_at < settings.hour_starts[-1] + np.timedelta64(1, "h")
    opened = subscribers[subscribers.height - newcomers :]
    ported = rng.random(newcomers) < 0.1
    drawn = {
        "user": np.concatenate([users, users[barred][in_time], opened["user"].to_numpy()]),
        "change_type": [*types, *["06"] * int(in_time.sum()), *np.where(ported, "13", "01")],
        "changed_at": np.concatenate([changed_at, resumed_at[in_time], opened["opened_at"].to_numpy()]),
    }
    return pl.DataFrame(drawn, schema_overrides={"change_type": pl.String}).sort("changed_at", "user")


def _drawn(settings: Settings, settled: pl.DataFrame, rng: np.random.Generator) -> tuple[Ints, npt.NDArray[np.str_]]:
    """Subscribers and what happens to them: each kind of change at least once where there is somebody for it."""
    days = len(settings.hour_starts) / 24 * settings.rates.changes
    users: list[Ints] = []
    types: list[npt.NDArray[np.str_]] = []
    for status, shares in _SHARES.items():
        pool = rng.permutation(settled.filter(pl.col("status") == status)["user"].to_numpy())
        counts = [max(1, round(share * days * len(pool))) for share in shares.values()]
        kinds = np.repeat(list(shares), counts)[: len(pool)]
        users.append(pool[: len(kinds)])
        types.append(kinds)
    return np.concatenate(users), np.concatenate(types)


def _targets(customers: Customers, events: pl.DataFrame, rng: np.random.Generator) -> dict[str, pl.Series]:
    """What each subscriber would get by a transfer, a number change or a plan change."""
    owners = np.flatnonzero(customers.sizes)
    place = rng.integers(0, len(owners), events.height)
    owner, neighbour = (customers.frame["customer_id"].gather(owners[(place + n) % len(owners)]) for n in (0, 1))
    other = pl.select(pl.when(owner == events["customer_id"]).then(neighbour).otherwise(owner)).to_series()
    numbers = people.service_numbers(rng, events["product"], events["user"].to_numpy() + 40_000_000)
    plan = plans.next_plan_codes(events["product"], events["spend_fen"].to_numpy())
    return {"07": other, "08": numbers, "10": plan}


def _with_values(events: pl.DataFrame, targets: Mapping[str, pl.Series], rng: np.random.Generator) -> pl.DataFrame:
    """old_value, new_value, effective_at, and the patches of transfer, number and plan; half the plans wait a month."""
    kind, at = pl.col("change_type"), pl.col("changed_at")
    service = pick(rng, _SERVICES, events.height)
    waits = (kind == "10") & pl.lit(pl.Series(rng.random(events.height) < 0.5))
    events = events.with_columns(
        effective_at=pl.when(waits).then(at.dt.month_start().dt.offset_by("1mo").dt.truncate("1d")).otherwise(at),
        to_customer_id=pl.when(kind == "07").then(targets["07"]),
        to_service_number=pl.when(kind == "08").then(targets["08"]),
        to_plan_code=pl.when(kind == "10").then(targets["10"]),
    )
    return events.with_columns(
        old_value=pl.when(kind == "07").then("customer_id").when(kind == "08").then("service_number")
        .when(kind == "10").then("plan_code").when(kind == "12").then(service),
        new_value=pl.coalesce(
            "to_customer_id", "to_service_number", "to_plan_code", pl.when(kind == "11").then(service)
        ),
    )  # fmt: skip


def _circumstances(settings: Settings, events: pl.DataFrame, rng: np.random.Generator) -> list[pl.Series]:
    """Id, reason, channel and operator of each change; the billing system itself bars and resumes."""
    count = events.height
    drawn = pick(rng, ["HALL", "APP", "WEB", "AGENT", "IVR"], count, [40, 30, 10, 15, 5])
    automatic = events["change_type"].is_in(["04", "05", "06"]).to_numpy()
    channel = where(~automatic, drawn).fill_null("SYS")
    operator = numbered("OP", rng.integers(1, 400, count), 4)
    return [
        numbered(f"X{settings.source}", np.arange(count)).alias("change_id"),
        events["change_type"].replace_strict(_REASONS).alias("reason"),
        channel.alias("channel"),
        where(channel.is_in(["HALL", "AGENT"]).to_numpy(), operator).alias("operator_id"),
    ]
