"""Customers of the generated province, and their CUST records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from sftp_fixtures import people
from sftp_fixtures.cases import CASES
from sftp_fixtures.draws import Flags, Ints, Times, between, busy_times, moment, numbered, pick, where
from sftp_fixtures.records import as_records
from sftp_fixtures.settings import Settings

_DAY = np.timedelta64(1, "D")
_PROSPECT_SHARE = 0.02
_MOVED_SHARE = 0.08
# Shares of the customers to whom it happens on a day; of the prospects for deletion.
_UPDATED_A_DAY, _DELETED_A_DAY = 0.001, 0.01
_OPENED_A_DAY = 0.0006


@dataclass(frozen=True)
class Customers:
    """All customers: those with subscribers, then prospects without any, then those who come in the window.

    `frame` has one row a customer: the CUST columns but op and op_time, and created_at. `sizes` counts the
    subscribers of each at the start of the window; newcomers bring one each.
    """

    frame: pl.DataFrame
    sizes: Ints
    newcomers: Ints


def make_customers(settings: Settings, rng: np.random.Generator) -> Customers:
    """Draw the customers of a province with `settings.subscribers` subscribers at the start of the window."""
    types, sizes = _groups(rng, settings.subscribers)
    prospects = max(2, round(len(sizes) * _PROSPECT_SHARE))
    arrivals = _arrivals(settings, rng)
    others = prospects + len(arrivals)
    types = np.concatenate([types, np.full(others, "1")])
    sizes = np.concatenate([sizes, np.zeros(others, np.int64)])
    created_at = _created_at(settings, rng, len(types))
    newcomers = np.arange(len(types) - len(arrivals), len(types))
    created_at[newcomers] = arrivals
    return Customers(_frame(settings, rng, pl.Series(types.tolist()), created_at), sizes, newcomers)


def customer_records(settings: Settings, customers: Customers, rng: np.random.Generator) -> pl.DataFrame:
    """CUST records: all history in the cycle before the window, then what happened on each closed day.

    A customer who moved has two records in the history; on the closed days customers come, change their phone number,
    and prospects are deleted.
    """
    created = customers.frame.with_columns(pl.lit("I").alias("op"), pl.col("created_at").alias("op_time"))
    moved = _moves(settings, customers, rng)
    before = pl.Series("address", people.addresses(rng, settings.source, moved.height))
    former = moved.select("customer_id", before)
    first = created.update(former, on="customer_id")
    parts = [first, moved, _updates(settings, customers, rng), _deletions(settings, customers, rng)]
    history_day = moment(settings.first_day) - _DAY
    records = pl.concat(parts, how="diagonal").sort("op_time", "customer_id")
    return as_records("CUST", records, pl.max_horizontal("op_time", pl.lit(history_day)))


def _moves(settings: Settings, customers: Customers, rng: np.random.Generator) -> pl.DataFrame:
    """Customers who moved within the year before the window, with their present state."""
    settled = np.setdiff1d(np.arange(customers.frame.height), customers.newcomers)
    chosen = settled[rng.random(len(settled)) < _MOVED_SHARE]
    frame = customers.frame[chosen]
    start = np.full(len(chosen), settings.first_day, "datetime64[ms]")
    low = np.maximum(frame["created_at"].to_numpy() + np.timedelta64(1, "h"), start - 365 * _DAY)
    return frame.with_columns(pl.lit("U").alias("op"), pl.Series("op_time", between(rng, low, start)))


def _updates(settings: Settings, customers: Customers, rng: np.random.Generator) -> pl.DataFrame:
    """Customers with a new phone number and credit class on one of the closed days."""
    owners = np.flatnonzero(customers.sizes)[len(CASES) :]
    chosen = _sample(rng, owners, _UPDATED_A_DAY * settings.days)
    return customers.frame[chosen].with_columns(
        pl.lit("U").alias("op"),
        pl.Series("op_time", _day_times(settings, rng, len(chosen))),
        pl.Series("contact_phone", people.mobile_numbers(rng, chosen + 80_000_000)),
        pl.Series("credit_class", pick(rng, ["A", "B", "C"], len(chosen))),
    )


def _deletions(settings: Settings, customers: Customers, rng: np.random.Generator) -> pl.DataFrame:
    """Prospects that are deleted on one of the closed days: op, op_time and key, nothing else."""
    prospects = np.setdiff1d(np.flatnonzero(customers.sizes == 0), customers.newcomers)
    chosen = _sample(rng, prospects, _DELETED_A_DAY * settings.days)
    return customers.frame[chosen].select(
        pl.lit("D").alias("op"), pl.Series("op_time", _day_times(settings, rng, len(chosen))), "customer_id"
    )


def _sample(rng: np.random.Generator, pool: Ints, share: float) -> Ints:
    """A share of the pool, at least one where there is one."""
    return rng.permutation(pool)[: max(1, round(len(pool) * share))]


def _day_times(settings: Settings, rng: np.random.Generator, count: int) -> Times:
    hours: Times = np.arange(moment(settings.first_day), moment(settings.today), np.timedelta64(1, "h"))
    return rng.permutation(busy_times(rng, hours, count))


def _groups(rng: np.random.Generator, subscribers: int) -> tuple[npt.NDArray[np.str_], Ints]:
    """Type and number of subscribers of each customer, together exactly `subscribers`; the cases come first."""
    count = subscribers + len(CASES)
    types = rng.choice(["1", "2", "3", "4"], count, p=[0.955, 0.02, 0.005, 0.02])
    sizes = rng.choice([1, 2, 3, 4], count, p=[0.62, 0.25, 0.09, 0.04])
    organisation = np.isin(types, ["2", "3"])
    sizes[organisation] = 1 + rng.geometric(0.15, organisation.sum())
    types[: len(CASES)] = [case.customer_type for case in CASES]
    sizes[: len(CASES)] = 1
    total = np.cumsum(sizes)
    last = int(np.searchsorted(total, subscribers))
    sizes[last] -= total[last] - subscribers
    return types[: last + 1], sizes[: last + 1]


def _arrivals(settings: Settings, rng: np.random.Generator) -> Times:
    """When newcomers come: only on closed days, whose USER file is written, so that none is an orphan at the end."""
    hours = settings.hour_starts[settings.hour_starts < np.datetime64(settings.today)]
    if not len(hours):
        return busy_times(rng, hours, 0)
    expected = settings.subscribers * _OPENED_A_DAY * settings.rates.changes * len(hours) / 24
    return busy_times(rng, hours, max(1, round(expected)))


def _created_at(settings: Settings, rng: np.random.Generator, count: int) -> Times:
    """From two days to 16 years before the window, in office hours; of the cases as their tenure says."""
    age_days = np.clip(rng.exponential(42 * 30, count), 2, 200 * 30).astype(np.int64)
    days = np.datetime64(settings.first_day, "D") - age_days
    this_month = np.datetime64(settings.end, "M")
    opened = [(this_month - case.tenure_months).astype("datetime64[D]") for case in CASES][:count]
    days[: len(opened)] = opened
    created_at: Times = days.astype("datetime64[ms]") + rng.integers(8 * 3600, 20 * 3600, count).astype(
        "timedelta64[s]"
    )
    return created_at


def _frame(settings: Settings, rng: np.random.Generator, types: pl.Series, created_at: Times) -> pl.DataFrame:
    count, source = len(types), settings.source
    numbers = np.arange(count, dtype=np.int64)
    person = types.is_in(["1", "4"]).to_numpy()
    male = rng.integers(0, 2, count)
    birth_dates: Times = created_at.astype("datetime64[D]") - rng.integers(18 * 366, 70 * 365, count).astype(
        "timedelta64[D]"
    )
    blacklisted = rng.random(count) < 0.003
    blacklisted[: len(CASES)] = [case.blacklisted == "Y" for case in CASES][:count]
    return pl.DataFrame(
        {
            "customer_id": numbered(f"C{source}", numbers),
            "customer_type": types,
            "customer_name": _names(settings, rng, types),
            **_identity(settings, rng, person, birth_dates, male),
            "gender": where(person, pl.Series(["F", "M"]).gather(male)),
            "birth_date": where(person, pl.Series(birth_dates)),
            "contact_phone": people.mobile_numbers(rng, numbers + 50_000_000),
            "email": where(rng.random(count) < 0.3, numbered("kehu", numbers) + "@example.com"),
            "address": people.addresses(rng, source, count),
            "postcode": numbered("", rng.integers(100_000, 860_000, count), 6),
            "industry": where(~person, pick(rng, list("CEFGIJLMOPRS"), count)),
            "manager_id": where(~person, numbered(f"M{source}", rng.integers(1, 200, count), 6)),
            "credit_class": where(rng.random(count) < 0.9, pick(rng, list("ABCDE"), count, [20, 45, 25, 8, 2])),
            "blacklisted": pl.Series(["N", "Y"]).gather(blacklisted.astype(np.int64)),
            "marketing_consent": pick(rng, ["Y", "N"], count, [7, 3]),
            "created_date": pl.Series(created_at).dt.date(),
            "created_at": pl.Series(created_at),
        }
    )


def _names(settings: Settings, rng: np.random.Generator, types: pl.Series) -> pl.Series:
    count = len(types)
    persons = people.person_names(rng, count)
    companies, offices = (make(rng, settings.source, count) for make in (people.company_names, people.office_names))
    return pl.select(
        pl.when(types == "2").then(companies).when(types == "3").then(offices).otherwise(persons)
    ).to_series()


def _identity(
    settings: Settings, rng: np.random.Generator, person: Flags, birth_dates: Times, male: Ints
) -> dict[str, pl.Series]:
    """id_type and id_number: persons mostly with a resident ID, some with a passport or none; others a credit code."""
    count = len(person)
    numbers = np.arange(count, dtype=np.int64)
    kinds = where(~person, pl.repeat("04", count, eager=True)).fill_null(
        pick(rng, ["01", "02", "00"], count, [94, 4, 2])
    )
    residents = people.resident_ids(rng, settings.source, birth_dates, male)
    passports = numbered("E", rng.permutation(numbers), 8)
    codes = people.credit_codes(rng, settings.source, numbers)
    known = pl.when(kinds != "00")
    return {
        "id_type": pl.select(known.then(kinds)).to_series(),
        "id_number": pl.select(
            pl.when(kinds == "01").then(residents).when(kinds == "02").then(passports).when(kinds == "04").then(codes)
        ).to_series(),
    }
