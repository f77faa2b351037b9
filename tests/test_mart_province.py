"""Whole builds on random provinces against a slow, word for word reading of the rules."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import duckdb
import pytest
from mart_oracle import Oracle
from mart_province import Province, Row, draw_province, empty_warehouse, fill, insert, rows_of
from mart_tables import default_policy
from mart_world import draw_world

import warehouse.build
from pipelines.errors import StoreError, UsageError
from warehouse.build import BuildResult, build

SEEDS = range(20)


@dataclass(frozen=True)
class Built:
    oracle: Oracle
    result: BuildResult
    tiers: list[Row]
    months: list[Row]
    kpis: list[Row]


def day_of(seed: int) -> tuple[date, str | None]:
    """As-of dates all over a year, often the first or last of a month; sometimes the bill month is set."""
    draw = random.Random(seed)
    day = date(2026, 1, 1) + timedelta(days=draw.randrange(365))
    kind = draw.random()
    if kind < 0.5:
        day = day.replace(day=1) - timedelta(days=int(kind < 0.25))
    return day, draw.choice((None, None, None, None, day.strftime("%Y%m"), "202512"))


@pytest.fixture(scope="module")
def provinces() -> list[Built]:
    connection = empty_warehouse()
    return [make(connection, seed) for seed in SEEDS]


def make(connection: duckdb.DuckDBPyConnection, seed: int) -> Built:
    as_of, bill_month = day_of(seed)
    province = draw_province(seed, as_of)
    fill(connection, province)
    result = build(connection, default_policy(), as_of, bill_month)
    tables = (rows_of(connection, f"from mart.{name}") for name in ("tier", "subscriber_month", "kpi"))
    return Built(Oracle(province, as_of, bill_month), result, *tables)


def test_last_closed_months_are_those_of_the_cycles(provinces: list[Built]) -> None:
    for built in provinces:
        assert built.result.bill_months == built.oracle.last_months
    assert len({frozenset(built.result.bill_months.items()) for built in provinces}) > 10


def test_tiers_are_those_of_the_rules(provinces: list[Built]) -> None:
    seen: Counter[str] = Counter()
    for built in provinces:
        expected = built.oracle.tiers()
        assert {row["user_id"]: row for row in built.tiers} == expected
        assert len(built.tiers) == len(expected)
        seen.update(row["reason"] for row in built.tiers)
        seen.update("no bill" for row in built.tiers if row["arpu3_fen"] is None)
    assert min(seen.values()) >= 3
    assert set(seen) == {"BLACKLIST", "SPEND", "TENURE", "HELD", "MANUAL", "GROUP", "NONE", "no bill"}


def test_months_are_those_of_the_rules(provinces: list[Built]) -> None:
    seen: Counter[str] = Counter()
    for built in provinces:
        expected = built.oracle.subscriber_months()
        found = {(row["user_id"], row["month"]): comparable(row) for row in built.months}
        assert found == {key: comparable(row) for key, row in expected.items()}
        assert len(built.months) == len(expected)
        seen.update(case for row in built.months for case in cases_of(row))
    assert min(seen.values()) >= 3
    assert set(seen) == {
        "D",
        "G",
        "S",
        "N",
        "closed",
        "closed twice",
        "closed in a month that it did not see",
        "closed days",
    }


def cases_of(row: Row) -> Iterator[str]:
    yield row["tier"]
    if row["closing_count"]:
        yield "closed"
        days = sum(row[name] for name in ("active_days", "suspended_days", "barred_outgoing_days", "barred_days"))
        if days == 0:
            yield "closed in a month that it did not see"
    if row["closing_count"] > 1:
        yield "closed twice"
    if row["closed_days"]:
        yield "closed days"


def comparable(row: Row) -> Row:
    return {
        name: Fraction(value) if isinstance(value, Decimal) else value
        for name, value in row.items()
        if name != "month_index"
    }


def test_kpis_are_those_of_the_rules(provinces: list[Built]) -> None:
    seen: Counter[str] = Counter()
    for built in provinces:
        expected = built.oracle.kpis()
        found = {cell(row): (row["numerator"], row["denominator"]) for row in built.kpis if row["kpi"] in KPIS}
        assert found == expected
        assert all(row["value"] == row["numerator"] / row["denominator"] for row in built.kpis)
        seen.update(row["kpi"] for row in built.kpis if row["numerator"] > 0)
    assert set(KPIS) <= set(seen)
    assert min(seen.values()) > 20


KPIS = ("customer_base", "gross_adds", "churn_rate", "arpu", "arrears_rate")


def cell(row: Row) -> tuple[str, str, str, str]:
    return row["month"], row["source"], row["tier"], row["kpi"]


def all_marts(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    tables = connection.execute(
        "select table_schema || '.' || table_name from information_schema.tables where table_schema in ('mart', 'list')"
    ).fetchall()
    assert len(tables) > 20
    return {name: connection.execute(f"select * from {name} order by all").fetchall() for (name,) in tables}


def later_rows(province: Province, as_of: date) -> Province:
    """Rows of a day after the as-of date for everyone: other attributes, endings, new ones, facts, bills."""
    midnight = date_time(as_of + timedelta(days=1))
    extra: Province = {"core.subscriber": [], "core.customer": []}
    for table in extra:
        for row in province[table]:
            if row["is_current"]:
                changes = {"status": "9", "close_date": as_of} if table == "core.subscriber" else {"blacklisted": "Y"}
                extra[table].append({**row, **changes, "valid_from": midnight, "source": "110"})
    newcomer = {**extra["core.subscriber"][0], "user_id": "A0000", "status": "1", "service_number": "13800000001"}
    extra["core.subscriber"].append(newcomer)
    fact = {"user_id": "U00001", "source": "110", "is_current": True}
    extra["core.usage"] = [{**fact, "record_id": "L", "usage_type": "V", "duration_s": 60, "started_at": midnight}]
    extra["core.payment"] = [{**fact, "payment_id": "L", "kind": "1", "amount_fen": 1, "paid_at": midnight}]
    extra["core.contact"] = [{**fact, "contact_id": "L", "arrived_at": midnight}]
    month = as_of.strftime("%Y%m")
    taken = {row["user_id"] for row in province["core.bill"] if row["billing_cycle"] == month and row["is_current"]}
    extra["core.bill"] = [
        {**fact, "user_id": user_id, "billing_cycle": month, "total_fen": 70000, "outstanding_fen": 0, "paid_fen": 0}
        for user_id in {row["user_id"] for row in province["core.subscriber"]} - taken
    ]
    return extra


def date_time(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_rows_of_later_days_change_nothing_for_an_earlier_day(seed: int) -> None:
    as_of = date(2026, 2 + seed, 5 * seed)
    connection = empty_warehouse()
    province = draw_province(seed, as_of)
    fill(connection, province)
    build(connection, default_policy(), as_of)
    before = all_marts(connection)
    end = as_of + timedelta(days=1)
    for table in ("subscriber", "customer"):
        connection.execute(
            f"update core.{table} set valid_to = $1, is_current = false where is_current", [date_time(end)]
        )
    later = later_rows(province, as_of)
    assert len(later["core.subscriber"]) > 10
    for table, rows in later.items():
        insert(connection, table, rows)
    build(connection, default_policy(), as_of)
    assert all_marts(connection) == before
    build(connection, default_policy(), end)
    assert all_marts(connection) != before


@pytest.mark.parametrize("draw", [draw_province, lambda seed, as_of: draw_world(seed, as_of).rows])
def test_parts_make_no_difference(draw: Callable[[int, date], Province], monkeypatch: pytest.MonkeyPatch) -> None:
    """Worlds have contacts with agents too, provinces many closings."""
    as_of = date(2026, 9, 6)
    connection = empty_warehouse()
    fill(connection, draw(5, as_of))
    build(connection, default_policy(), as_of)
    whole = all_marts(connection)
    monkeypatch.setattr(warehouse.build, "PART_SIZE", 7)
    build(connection, default_policy(), as_of)
    assert all_marts(connection) == whole
    assert len(whole["mart.subscriber"]) > 2 * 7
    assert {user_id is None for user_id, *_ in whole["mart.service_tier_month"]} == {True, False}
    if draw is not draw_province:
        assert {user_id is None for user_id, *_ in whole["mart.answer_tier_month"]} == {True, False}


def test_an_empty_warehouse_makes_empty_marts() -> None:
    connection = empty_warehouse()
    result = build(connection, default_policy(), date(2026, 9, 6))
    assert result.bill_months == {}
    made = {model.name: model.rows for model in result.models}
    assert made["mart.month"] == 14
    assert (made["mart.tier"], made["mart.subscriber_month"], made["mart.kpi"], made["list.tier"]) == (0, 0, 0, 0)


def test_a_build_that_fails_leaves_the_marts_as_they_were() -> None:
    as_of = date(2026, 9, 6)
    connection = empty_warehouse()
    fill(connection, draw_province(5, as_of))
    build(connection, default_policy(), as_of)
    before = all_marts(connection)
    connection.execute("update core.bill set billing_cycle = 'autumn'")
    with pytest.raises(StoreError, match=r"^model step_customer_bill: .*autu"):
        build(connection, default_policy(), as_of)
    assert all_marts(connection) == before
    assert connection.execute("select count(*) from duckdb_tables() where temporary").fetchall() == [(0,)]


def test_a_build_that_is_broken_off_leaves_the_marts_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(point: str) -> None:
        raise KeyboardInterrupt(point)

    as_of = date(2026, 9, 6)
    connection = empty_warehouse()
    fill(connection, draw_province(5, as_of))
    build(connection, default_policy(), as_of)
    before = all_marts(connection)
    monkeypatch.setattr(warehouse.build, "fault_point", break_off)
    with pytest.raises(KeyboardInterrupt, match="build"):
        build(connection, default_policy(), as_of + timedelta(days=1))
    assert all_marts(connection) == before


@pytest.mark.parametrize("month", ["2026", "202613", "2026-11", "Nov"])
def test_a_bill_month_that_is_no_month_is_refused(month: str) -> None:
    with pytest.raises(UsageError, match="expected a month such as 202611"):
        build(empty_warehouse(), default_policy(), date(2026, 9, 6), month)
