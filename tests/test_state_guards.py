"""A state is brought on only from what is known to be of this warehouse, by its masks and tables of now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from small_states import CUSTOMERS, LATER_PAYMENTS, PAYMENTS, Warehouse, customers, payment

from pipelines.contracts.model import Contracts
from warehouse.states import DATABASES


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """One with a state at hand and a retired one."""
    made = Warehouse(tmp_path / "warehouse", tmp_path / "bi")
    made.put(PAYMENTS, payment(1), payment(2))
    made.put(CUSTOMERS, *customers("张三", "李四"))
    made.month("202610", 1)
    made.publish()
    made.publish()
    yield made
    made.connection.close()


def retired(warehouse: Warehouse) -> Path:
    return next(path for path in (warehouse.bi / "states").iterdir() if path != (warehouse.bi / "current").resolve())


@pytest.mark.parametrize(
    "sql",
    [
        "alter table mart.whole rename column points to score",
        "alter table mart.by_month alter column total_fen type integer",
    ],
)
def test_a_table_whose_column_is_another_is_filled(warehouse: Warehouse, sql: str) -> None:
    warehouse.connection.execute(sql)
    assert warehouse.differences(warehouse.publish()) == []


def test_a_table_that_went_and_came_back_is_filled(warehouse: Warehouse) -> None:
    warehouse.connection.execute("alter table mart.whole rename to kept")
    warehouse.publish()
    warehouse.publish()
    warehouse.connection.execute("alter table mart.kept rename to whole")
    assert warehouse.differences(warehouse.publish()) == []


def test_a_mask_that_a_contract_gets_holds_for_rows_of_before(warehouse: Warehouse) -> None:
    hidden = [
        replace(column, personal=True, mask="hidden") if column.name == "customer_name" else column
        for column in warehouse.contracts["CUST"].columns
    ]
    feeds = (
        replace(each, columns=tuple(hidden)) if each.feed == "CUST" else each for each in warehouse.contracts.feeds
    )
    warehouse.contracts = Contracts(tuple(feeds), warehouse.contracts.code_lists)
    with duckdb.connect(str(warehouse.publish() / "current.duckdb"), read_only=True) as state:
        assert state.execute("select distinct customer_name from core.customer").fetchall() == [(None,)]


@pytest.mark.parametrize(
    "sql",
    [
        "delete from mart.whole",
        "delete from mart.by_month",
        "delete from core.payment where line = 2",
        "update core.payment set amount_fen = 1 where line = 2",
    ],
)
def test_what_a_hand_changed_is_not_carried_on(
    warehouse: Warehouse, sql: str, caplog: pytest.LogCaptureFixture
) -> None:
    state = warehouse.publish()
    for name in DATABASES:
        with duckdb.connect(str(state / name)) as connection:
            connection.execute(sql)
    for number in (7, 8):
        warehouse.put(LATER_PAYMENTS, payment(number))
        assert warehouse.differences(warehouse.publish()) == []
    assert "expected it as it was finished" in caplog.messages[0]


def test_a_retired_state_that_says_nothing_of_its_load(warehouse: Warehouse) -> None:
    path = retired(warehouse) / "current.duckdb"
    path.unlink()
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as other (storage_version 'v1.0.0')")
        connection.execute("create schema other.ops; create table other.ops.load_state (x int)")
    assert warehouse.differences(warehouse.publish()) == []


def test_a_warehouse_that_was_put_back_and_has_caught_up(warehouse: Warehouse) -> None:
    """Its loads have the numbers of others, after which the states of before were made."""
    warehouse.keep_a_copy()
    warehouse.put(CUSTOMERS, *customers("前一", "前二"))
    warehouse.publish()
    warehouse.put(PAYMENTS, payment(1), payment(2))
    warehouse.publish()
    warehouse.put_back()
    warehouse.load()
    warehouse.put(CUSTOMERS, *customers("后一", "后二"))
    warehouse.put(PAYMENTS, payment(1), payment(2))
    warehouse.put(PAYMENTS, payment(1), payment(2))
    for _ in range(2):
        assert warehouse.differences(warehouse.publish()) == []


def test_a_stray_file_among_the_states(warehouse: Warehouse) -> None:
    (warehouse.bi / "states" / "README").write_text("not a state")
    assert warehouse.differences(warehouse.publish()) == []
