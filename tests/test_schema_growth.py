"""A warehouse lives on when a contract changes: old and new rows in one table, as in one made anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from contract_edits import add_column, copy_schemas, drop_column, edit, turn_page
from offers import GOOD, NOW, in_core, take
from running import make_home, tierline

from pipelines.checks.staging import REJECT_SCHEMA
from pipelines.contracts.conditions import POLARS_TYPES
from pipelines.contracts.load import load_contracts
from pipelines.contracts.model import Contract, Contracts
from pipelines.errors import StoreError
from pipelines.transfer.base import Endpoint
from warehouse.load import Snapshot, StandingBatch, load
from warehouse.publish import write_state
from warehouse.store import make_tables, open_warehouse

Row = dict[str, Any]
OLD = load_contracts()
DAY = datetime(2026, 11, 1)
LATER = datetime(2026, 12, 1)
PAYMENT: Row = {"account_id": "A00001", "user_id": "U00001", "paid_at": DAY, "amount_fen": 100, "channel": "APP"}
CUSTOMER: Row = {"op": "U", "customer_id": "C00001", "customer_type": "1", "customer_name": "张三",
                 "created_date": date(2026, 1, 1)}  # fmt: skip
SUBSCRIBER: Row = {"op": "U", "user_id": "U00001", "customer_id": "C00001", "service_number": "13800000001",
                   "plan_code": "PLAN01", "status": "1", "status_time": DAY, "balance_fen": 0}  # fmt: skip


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """A fact, a patched and a plain history of two versions: one column added, one dropped, one narrowed in each."""
    directory = copy_schemas(tmp_path)
    payment = turn_page(directory, "PAYM")
    add_column(payment, "points")
    drop_column(payment, "operator_id")
    edit(payment, ', "IVR"]', "]")
    customer = turn_page(directory, "CUST")
    add_column(customer, "segment", "text", "string")
    drop_column(customer, "email")
    edit(customer, "{maxLength: 100}", "{maxLength: 60}")
    subscriber = turn_page(directory, "USER")
    add_column(subscriber, "slice_id", "id", "string")
    drop_column(subscriber, "dealer_id")
    edit(subscriber, "{maxLength: 20}", "{maxLength: 18}")
    return directory


@pytest.fixture
def new(schemas: Path) -> Contracts:
    return load_contracts(schemas)


class Staged:
    """Hand-written staged files of batches, as the checks leave them behind."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def batch(self, contract: Contract, stem: str, *rows: Row, stored: bool = False) -> StandingBatch:
        """`stored`: with null for columns of other versions, as it is judged beside them; else without these."""
        columns = contract.stored_columns if stored else contract.columns
        schema = {column.name: POLARS_TYPES[column.type] for column in columns}
        schema |= {"batch_stem": pl.String(), "line": pl.Int64()}
        full = [dict.fromkeys(schema) | row | {"batch_stem": stem, "line": line} for line, row in enumerate(rows, 2)]
        paths = (self.directory / f"{stem}.parquet", self.directory / f"{stem}.rejects.parquet")
        pl.DataFrame(full, schema=schema).write_parquet(paths[0])
        pl.DataFrame(schema=REJECT_SCHEMA).write_parquet(paths[1])
        feed, source, mode, cycle, seq, _ = stem.split("_")
        end = datetime.strptime(cycle[:8], "%Y%m%d") + timedelta(days=1)
        return StandingBatch(stem, "digest", feed, source, mode, cycle, seq, end, *paths)


@contextmanager
def warehouse(directory: Path, contracts: Contracts) -> Iterator[duckdb.DuckDBPyConnection]:
    directory.mkdir(exist_ok=True)
    with open_warehouse(directory, contracts) as connection:
        yield connection


def old_batches(staged: Staged) -> list[StandingBatch]:
    """Of version 1, with a value in the column that version 2 drops."""
    change = {"change_id": "E00001", "user_id": "U00001", "customer_id": "C00001", "change_type": "10",
              "changed_at": LATER, "effective_at": LATER + timedelta(days=5), "new_value": "PLAN02"}  # fmt: skip
    payments = [PAYMENT | {"payment_id": f"P0000{n}", "operator_id": "CLERK01", "channel": "IVR"} for n in range(3)]
    return [
        staged.batch(OLD["PAYM"], "PAYM_110_I_2026110110_0001_00", *payments),
        staged.batch(
            OLD["CUST"], "CUST_110_I_20261101_0001_00", CUSTOMER | {"op_time": DAY, "email": "lina@example.cn"}
        ),
        staged.batch(OLD["USER"], "USER_110_I_20261101_0001_00", SUBSCRIBER | {"op_time": DAY, "dealer_id": "DEALER1"}),
        staged.batch(OLD["CHNG"], "CHNG_110_I_2026120110_0001_00", change),
    ]


def new_batches(staged: Staged, contracts: Contracts) -> list[StandingBatch]:
    """Of version 2, and one more of version 1 that a province sends after that."""
    payment, customer, subscriber = contracts["PAYM"], contracts["CUST"], contracts["USER"]
    late = PAYMENT | {"payment_id": "P00007", "operator_id": "CLERK02"}
    return [
        staged.batch(payment, "PAYM_110_I_2026120110_0001_00", PAYMENT | {"payment_id": "P00001", "points": 7}),
        staged.batch(
            payment, "PAYM_110_I_2026120111_0001_00", PAYMENT | {"payment_id": "P00009", "points": 9}, stored=True
        ),
        staged.batch(payment.former[0], "PAYM_220_I_2026120110_0001_00", late),
        staged.batch(
            customer, "CUST_110_I_20261201_0001_00", CUSTOMER | {"op_time": LATER, "segment": "gold"}, stored=True
        ),
        staged.batch(subscriber, "USER_110_I_20261201_0001_00", SUBSCRIBER | {"op_time": LATER, "slice_id": "SLICE1"}),
    ]


def content(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """Every table of core whose contract changed, its columns by name: their order is a matter of age."""
    found = {}
    for table in ("payment", "customer", "customer_record", "subscriber", "subscriber_record"):
        names = [name for (name,) in connection.execute(
            "select column_name from duckdb_columns() where schema_name = 'core' and table_name = $table order by all",
            {"table": table},
        ).fetchall()]  # fmt: skip
        rows = connection.execute(f"select {', '.join(names)} from core.{table} order by all").fetchall()
        found[table] = [tuple(names), *rows]
    return found


def test_a_warehouse_that_grew_equals_one_made_anew(tmp_path: Path, new: Contracts) -> None:
    staged = Staged(tmp_path / "staged")
    before = old_batches(staged)
    with warehouse(tmp_path / "grown", OLD) as connection:
        load(connection, OLD, before, [])
    everything = [*before, *new_batches(staged, new)]
    with warehouse(tmp_path / "grown", new) as connection:
        assert set(load(connection, new, everything, []).added) == {each.stem for each in everything[len(before) :]}
        grown = content(connection)
    with warehouse(tmp_path / "anew", new) as connection:
        load(connection, new, everything, [])
        assert content(connection) == grown
    assert [len(rows) for rows in grown.values()] == [7, 3, 3, 4, 3]


def test_rows_lack_what_their_version_lacks_and_keep_what_theirs_has(tmp_path: Path, new: Contracts) -> None:
    staged = Staged(tmp_path / "staged")
    before = old_batches(staged)
    with warehouse(tmp_path / "warehouse", OLD) as connection:
        load(connection, OLD, before, [])
    with warehouse(tmp_path / "warehouse", new) as connection:
        load(connection, new, [*before, *new_batches(staged, new)], [])
        payments = "select payment_id, source, points, operator_id, channel, is_current from core.payment order by all"
        assert connection.execute(payments).fetchall() == [
            ("P00000", "110", None, "CLERK01", "IVR", True),
            ("P00001", "110", 7, None, "APP", True),
            ("P00001", "110", None, "CLERK01", "IVR", False),
            ("P00002", "110", None, "CLERK01", "IVR", True),
            ("P00007", "220", None, "CLERK02", "APP", True),
            ("P00009", "110", 9, None, "APP", True),
        ]
        customers = "select valid_from, valid_to, email, segment from core.customer order by all"
        assert connection.execute(customers).fetchall() == [
            (DAY, LATER, "lina@example.cn", None), (LATER, None, None, "gold"),
        ]  # fmt: skip
        subscribers = "select valid_from, plan_code, dealer_id, slice_id, op_time from core.subscriber order by all"
        patched = LATER + timedelta(days=5)
        assert connection.execute(subscribers).fetchall() == [
            (DAY, "PLAN01", "DEALER1", None, DAY),
            (LATER, "PLAN01", None, "SLICE1", LATER),
            (patched, "PLAN02", None, "SLICE1", LATER),  # a patch carries columns that no model names
        ]


def test_what_a_new_version_replaced_comes_back_whole(tmp_path: Path, new: Contracts) -> None:
    """Rule 3 across versions of a contract, and a snapshot that ends what version 1 began."""
    staged = Staged(tmp_path / "staged")
    before = old_batches(staged)
    with warehouse(tmp_path / "warehouse", OLD) as connection:
        load(connection, OLD, before, [])
    with warehouse(tmp_path / "warehouse", new) as connection:
        kept = content(connection)
        load(connection, new, [*before, *new_batches(staged, new)], [])
        assert content(connection) != kept
        load(connection, new, before, [])
        assert content(connection) == kept
        snapshot = Snapshot("CUST", "110", "20261202", datetime(2026, 12, 3))
        other = CUSTOMER | {"customer_id": "C00002", "op_time": LATER, "segment": "gold"}
        full = staged.batch(new["CUST"], "CUST_110_F_20261202_0001_00", other, stored=True)
        load(connection, new, [*before, full], [snapshot])
        ended = "select valid_to, email from core.customer where customer_id = 'C00001'"
        assert connection.execute(ended).fetchall() == [(datetime(2026, 12, 3), "lina@example.cn")]


def test_readers_meet_one_shape_and_old_values_masked(tmp_path: Path, new: Contracts) -> None:
    staged = Staged(tmp_path / "staged")
    before = old_batches(staged)
    with warehouse(tmp_path / "grown", OLD) as connection:
        load(connection, OLD, before, [])
    shapes = []
    for name in ("grown", "anew"):
        with warehouse(tmp_path / name, new) as connection:
            load(connection, new, [*before, *new_batches(staged, new)], [])
            written = write_state(connection, new, tmp_path / f"bi_{name}", "new")
        with duckdb.connect(str(written / "current.duckdb"), read_only=True) as state:
            shapes.append([state.execute(f"describe core.{table}").fetchall() for table in ("payment", "customer")])
            emails = state.execute("select email from core.customer where email is not null").fetchall()
            assert emails == [("l***@example.cn",)]
            commented = state.execute(
                "select column_name from duckdb_columns() where table_name = 'customer' and comment is not null"
            ).fetchall()
            assert {("email",), ("segment",), ("customer_id",)} <= set(commented)
    assert shapes[0] == shapes[1]
    assert len(shapes[0][0]) > 10


def test_tables_grow_in_one_transaction_and_nothing_is_lost(tmp_path: Path, schemas: Path, new: Contracts) -> None:
    """A column that no version knows any more stops everything, and what is to do is said."""
    with warehouse(tmp_path / "warehouse", new):
        pass
    (schemas / "feeds/PAYM@1.yaml").unlink()
    edit(schemas / "feeds/PAYM.yaml", '  - {property: holdsFrom, value: "2026-12-01"}\n', "")
    add_column(turn_page(schemas, "BILL"), "rounding_fen", "money")
    with pytest.raises(StoreError) as caught, warehouse(tmp_path / "warehouse", load_contracts(schemas)):
        pass
    message = str(caught.value)
    for words in ("core.payment, column operator_id", "expected a column of any version of PAYM", "found one that none",
                  "feeds/PAYM@VERSION.yaml", "set warehouse/warehouse.duckdb aside", "'tierline load'"):  # fmt: skip
        assert words in message
    with duckdb.connect(str(tmp_path / "warehouse" / "warehouse.duckdb")) as connection:
        found = connection.execute("select column_name from duckdb_columns() where table_name = 'bill'").fetchall()
    assert ("bill_id",) in found
    assert ("rounding_fen",) not in found, "a part of the change stayed"


def test_a_failed_change_leaves_the_connection_usable(tmp_path: Path, schemas: Path, new: Contracts) -> None:
    with warehouse(tmp_path / "warehouse", new) as connection:
        with pytest.raises(StoreError):
            make_tables(connection, OLD)
        make_tables(connection, new)
        staged = Staged(tmp_path / "staged")
        assert len(load(connection, new, new_batches(staged, new), []).added) == 5


def test_a_column_of_another_type_is_refused(tmp_path: Path) -> None:
    schemas = copy_schemas(tmp_path)
    path = schemas / "feeds/PAYM.yaml"
    add_column(path, "points")
    first = load_contracts(schemas)
    staged = Staged(tmp_path / "staged")
    batch = staged.batch(
        first["PAYM"], "PAYM_110_I_2026110110_0001_00", PAYMENT | {"payment_id": "P00001", "points": 7}
    )
    with warehouse(tmp_path / "warehouse", first) as connection:
        load(connection, first, [batch], [])
    edit(path, "logicalType: integer\n        physicalType: integer", "logicalType: string\n        physicalType: text")
    second = load_contracts(schemas)
    with pytest.raises(StoreError) as caught, warehouse(tmp_path / "warehouse", second):
        pass
    assert "core.payment, column points: expected VARCHAR, as the contract of PAYM says, found BIGINT" in str(
        caught.value
    )
    assert "'tierline replay --feed PAYM" in str(caught.value)
    with (
        warehouse(tmp_path / "anew", second) as connection,
        pytest.raises(StoreError, match="staged rows of PAYM, column points: expected VARCHAR"),
    ):
        load(connection, second, [batch], [])


def test_a_column_that_no_version_knows_is_passed_over_in_a_warehouse_made_anew(tmp_path: Path, new: Contracts) -> None:
    """As the error about it promises."""
    staged = Staged(tmp_path / "staged")
    row = PAYMENT | {"payment_id": "P00009", "points": 9}
    batch = staged.batch(new["PAYM"], "PAYM_110_I_2026120110_0001_00", row)
    with warehouse(tmp_path / "warehouse", OLD) as connection:
        load(connection, OLD, [batch], [])
        found = connection.execute("select payment_id, amount_fen from core.payment").fetchall()
        assert found == [("P00009", 100)]


def test_the_ways_out_that_errors_and_the_manual_name_lead_out(tmp_path: Path) -> None:
    """With the real command: a warehouse grows; a column of another type, then one that is gone, stop it."""
    endpoint = Endpoint("file", root=str(tmp_path / "remote"))
    home = make_home(tmp_path / "home", endpoint, extra=f"contracts: {copy_schemas(tmp_path)}\n")
    contract, file = tmp_path / "schemas/feeds/PAYM.yaml", home / "warehouse" / "warehouse.duckdb"
    held = "select count(*), max(balance_after_fen) from core.payment"

    def stopped_by(words: str) -> None:
        ran = tierline(home, "load", now=NOW)
        assert (ran.exit_status, words in ran.err) == (1, True), ran.err

    GOOD.put(tmp_path / "remote")
    assert take(home).exit_status == 0
    add_column(turn_page(tmp_path / "schemas", "PAYM"), "points")
    assert tierline(home, "load", now=NOW).exit_status == 0
    assert in_core(home, "select count(*), count(points) from core.payment") == [(3, 0)]

    file.unlink()
    contract.unlink()
    contract.with_name("PAYM@1.yaml").rename(contract)
    assert tierline(home, "load", now=NOW).exit_status == 0
    text = contract.read_text(encoding="utf-8")
    begin = text.index("      - name: balance_after_fen")
    as_text = text[begin:].replace("logicalType: integer", "logicalType: string", 1).replace("money", "text", 1)
    contract.write_text(text[:begin] + as_text, encoding="utf-8")
    stopped_by("core.payment, column balance_after_fen: expected VARCHAR, as the contract of PAYM says, found BIGINT")
    file.unlink()
    stopped_by("staged rows of PAYM, column balance_after_fen: expected VARCHAR")
    replayed = tierline(home, "replay", "--feed", "PAYM", "--from", "2026112200", "--to", "2026112223", now=NOW)
    assert replayed.exit_status == 0, replayed.err
    assert in_core(home, held) == [(3, "1250")]

    drop_column(contract, "operator_id")
    stopped_by("core.payment, column operator_id: expected a column of any version of PAYM, found one that none has")
    (line,) = [line for line in tierline(home, "doctor", now=NOW).out.splitlines() if line.startswith("warehouse ")]
    assert line.endswith("from staged/ without it  do what it says"), line
    file.unlink()
    assert tierline(home, "load", now=NOW).exit_status == 0
    assert in_core(home, held) == [(3, "1250")]
