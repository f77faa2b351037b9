"""Reference tables: days, provinces, and the plans that are met, as a function of what core holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import permutations

import duckdb
import pytest
from mart_province import empty_warehouse, insert

from pipelines.contracts.load import load_contracts
from pipelines.contracts.model import Code, CodeList, Contracts
from warehouse.reference import refresh_plans

CONTRACTS = load_contracts()
RECORDS = [
    {"user_id": "U1", "plan_code": "MOB059", "batch_stem": "USER_110_I_20261120_0001_00"},
    {"user_id": "U2", "plan_code": "MOB059", "batch_stem": "USER_110_I_20261121_0001_00"},
    {"user_id": "U3", "plan_code": "FIX015", "batch_stem": "USER_110_I_20261121_0001_00"},
    {"user_id": "U4", "plan_code": None, "batch_stem": "USER_110_I_20261121_0001_00"},  # a D record needs none
]
CHANGES = [
    {"change_id": "C1", "change_type": "10", "new_value": "MOB099", "is_current": True},
    {"change_id": "C2", "change_type": "10", "new_value": "MOB199", "is_current": False},
    {"change_id": "C3", "change_type": "08", "new_value": "13800000001", "is_current": True},
]


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_warehouse() as connection:
        yield connection


def plans(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, ...]]:
    return connection.execute("select code, title_en, title_zh from core.plan order by code").fetchall()


def with_titles(*codes: Code) -> Contracts:
    return replace(CONTRACTS, code_lists=(*CONTRACTS.code_lists, CodeList("plan", "Plan", "资费套餐", codes)))


# Looked up in a calendar: the day, year and number of its ISO week, quarter, weekday, whether a weekend.
DAYS = [
    (date(1990, 1, 1), 1990, 1, 1, "Monday", "星期一", False),
    (date(2024, 2, 29), 2024, 9, 1, "Thursday", "星期四", False),
    (date(2026, 11, 24), 2026, 48, 4, "Tuesday", "星期二", False),
    (date(2026, 12, 27), 2026, 52, 4, "Sunday", "星期日", True),
    (date(2027, 1, 1), 2026, 53, 1, "Friday", "星期五", False),
    (date(2027, 1, 2), 2026, 53, 1, "Saturday", "星期六", True),
    (date(2049, 12, 31), 2049, 52, 4, "Friday", "星期五", False),
]


def test_days_are_those_of_the_calendar(warehouse: duckdb.DuckDBPyConnection) -> None:
    refresh_plans(warehouse, CONTRACTS)
    found = warehouse.execute(
        "select calendar_date, iso_year_number, iso_week_number, quarter_number, weekday_title_en, weekday_title_zh, "
        "is_weekend from core.date where list_contains($days, calendar_date) order by 1",
        {"days": [day for day, *_ in DAYS]},
    ).fetchall()
    assert found == DAYS
    ((first, last, count),) = warehouse.execute(
        "select min(calendar_date), max(calendar_date), count(distinct calendar_date) from core.date"
    ).fetchall()
    assert count == (last - first).days + 1


def test_months_have_their_titles(warehouse: duckdb.DuckDBPyConnection) -> None:
    refresh_plans(warehouse, CONTRACTS)
    titles = warehouse.execute(
        "select distinct month, month_number, month_title_en, month_title_zh from core.date "
        "where year_number = 2026 order by 1"
    ).fetchall()
    assert len(titles) == 12
    assert titles[0] == ("202601", 1, "January", "一月")
    assert titles[10] == ("202611", 11, "November", "十一月")


def test_areas_are_the_34_provinces(warehouse: duckdb.DuckDBPyConnection) -> None:
    """GB/T 2260: 22 provinces and Taiwan, 5 autonomous regions, 4 municipalities, 2 special administrative regions."""
    titles = warehouse.execute("select title_zh from core.area").fetchall()
    endings = sorted({"省": 0, "市": 0, "自治区": 0, "行政区": 0})
    counts = {ending: sum(title.endswith(ending) for (title,) in titles) for ending in endings}
    assert counts == {"省": 23, "市": 4, "自治区": 5, "行政区": 2}
    assert warehouse.execute("select count(*) from core.area where not regexp_full_match(code, '[1-8][0-9]0000')"
                             ).fetchall() == [(0,)]  # fmt: skip


def test_plans_are_those_of_records_and_of_current_plan_changes(warehouse: duckdb.DuckDBPyConnection) -> None:
    insert(warehouse, "core.subscriber_record", RECORDS)
    insert(warehouse, "core.subscriber_change", CHANGES)
    refresh_plans(warehouse, CONTRACTS)
    assert plans(warehouse) == [(code, None, None) for code in ("FIX015", "MOB059", "MOB099")]


def test_plans_do_not_depend_on_the_order_in_which_batches_came() -> None:
    results = []
    for order in permutations(RECORDS[:3]):
        with empty_warehouse() as connection:
            for row in order:
                insert(connection, "core.subscriber_record", [row])
                refresh_plans(connection, CONTRACTS)
            results.append(connection.execute("from core.plan").fetchall())
    assert len(results) == 6
    assert all(result == results[0] for result in results)


def test_a_plan_goes_with_the_last_batch_that_has_it(warehouse: duckdb.DuckDBPyConnection) -> None:
    insert(warehouse, "core.subscriber_record", RECORDS)
    refresh_plans(warehouse, CONTRACTS)
    warehouse.execute("delete from core.subscriber_record where batch_stem like '%20261121%'")
    refresh_plans(warehouse, CONTRACTS)
    assert plans(warehouse) == [("MOB059", None, None)]


def test_titles_come_from_the_code_list_of_the_installation(warehouse: duckdb.DuckDBPyConnection) -> None:
    insert(warehouse, "core.subscriber_record", RECORDS)
    refresh_plans(warehouse, CONTRACTS)
    known = Code("FIX015", "Home 15", "固话15元"), Code("FIX025", "Home 25", "固话25元")
    refresh_plans(warehouse, with_titles(*known))
    assert plans(warehouse) == [("FIX015", "Home 15", "固话15元"), ("MOB059", None, None)]
    refresh_plans(warehouse, with_titles())
    assert plans(warehouse) == [("FIX015", None, None), ("MOB059", None, None)]


def test_with_nothing_new_nothing_is_written(warehouse: duckdb.DuckDBPyConnection) -> None:
    def written() -> list[tuple[object, ...]]:
        return warehouse.execute("select table_name, table_oid from duckdb_tables() order by all").fetchall()

    insert(warehouse, "core.subscriber_record", RECORDS)
    refresh_plans(warehouse, CONTRACTS)
    before = written()
    assert {"date", "plan"} <= {name for name, _ in before}
    refresh_plans(warehouse, CONTRACTS)
    assert written() == before
    insert(warehouse, "core.subscriber_change", CHANGES)
    refresh_plans(warehouse, CONTRACTS)
    changed = {name for name, _ in set(written()) - set(before)}
    assert changed == {"plan"}


def test_reference_tables_say_what_they_are(warehouse: duckdb.DuckDBPyConnection) -> None:
    refresh_plans(warehouse, CONTRACTS)
    comments = warehouse.execute(
        "select comment from duckdb_columns() where schema_name = 'core' and table_name in ('date', 'plan')"
    ).fetchall()
    assert len(comments) == 17
    assert all(" / " in comment for (comment,) in comments)
