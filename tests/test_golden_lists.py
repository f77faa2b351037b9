"""The lists of one small world to the letter; `tests/golden/` was read against the rules.

After a wanted change: `python tests/test_golden_lists.py` writes them anew; the difference is to be read, not trusted.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from mart_province import empty_warehouse
from mart_world import draw_world
from world_tables import make

from pipelines.lists import LISTS as KINDS

GOLDEN = Path(__file__).parent / "golden"
LISTS = ("tier", "warn", "call", "card", "work", "kpim")
SEED = 16  # four campaigns, the fifth held back; follow-ups of both kinds


def text_of(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """A list as lines, its rows in order; of KPIs those of the last month, for the others are as many."""
    last = " where month = (select max(month) from list.kpim)" if name == "kpim" else ""
    order = next(kind.order for kind in KINDS if kind.name == name.upper())
    cursor = connection.execute(f"from list.{name} as listed{last} order by {order}")
    lines = [[column[0] for column in cursor.description or []], *cursor.fetchall()]
    return "".join("|".join("" if value is None else str(value) for value in line) + "\n" for line in lines)


@pytest.fixture(scope="module")
def built() -> duckdb.DuckDBPyConnection:
    connection = empty_warehouse()
    make(connection, draw_world(SEED))
    return connection


@pytest.mark.parametrize("name", LISTS)
def test_the_lists_are_those_that_were_read(built: duckdb.DuckDBPyConnection, name: str) -> None:
    expected = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    assert expected.count("\n") > 3  # a header, and rows
    assert text_of(built, name) == expected


if __name__ == "__main__":
    warehouse = empty_warehouse()
    make(warehouse, draw_world(SEED))
    for each in LISTS:
        (GOLDEN / f"{each}.txt").write_text(text_of(warehouse, each), encoding="utf-8")
