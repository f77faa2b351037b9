"""The KPIM list: names of feeds' KPIs, and values rounded half up of what stands beside them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from mart_province import empty_warehouse
from mart_tables import run
from mart_world import draw_world
from oracle_lists import kpim_value
from world_tables import make

COLUMNS = "month | source | tier | feed:text | kpi | numerator | denominator | value | target:text"
BORDERS = [
    (41, 640, "0.064063"),
    (1, 3, "0.333333"),
    (2, 3, "0.666667"),
    (-41, 640, "-0.064063"),
    (-1, 3, "-0.333333"),
    (0, 7, "0.000000"),
    (292781, 17, "17222.411765"),
    (10**15 + 1, 10**4, "100000000000.000100"),
]


def listed(numerator: int, denominator: int) -> list[dict[str, Any]]:
    row = f"'202611' | '110' | D | PAYM | reject_rate | {numerator} | {denominator} | 0 | -"
    return run("list.kpim", {"mart.kpi": f"{COLUMNS}\n{row}"})


@pytest.mark.parametrize(("numerator", "denominator", "expected"), BORDERS)
def test_a_value_is_rounded_half_up(numerator: int, denominator: int, expected: str) -> None:
    (row,) = listed(numerator, denominator)
    assert (row["kpi"], str(row["value"])) == ("reject_rate.PAYM", expected)
    assert kpim_value(numerator, denominator) == Decimal(expected)


def test_every_value_of_a_world_is_that_of_the_rule() -> None:
    connection = empty_warehouse()
    make(connection, draw_world(16))
    found = connection.execute("select numerator, denominator, value from list.kpim").fetchall()
    assert len(found) > 1000
    assert [row for row in found if row[2] != kpim_value(row[0], row[1])] == []
