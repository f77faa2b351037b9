"""The warehouse's file beside a lake, without a Spark: what it takes over, and how it tells that they differ."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest
from mart_tables import default_policy
from small_states import PAYMENTS, Warehouse, payment

from pipelines.config_engine import SparkConfig
from pipelines.contracts.load import load_contracts
from pipelines.errors import StoreError, UsageError
from warehouse.engines import DuckEngine
from warehouse.spark.engine import SparkEngine
from warehouse.spark.lake import Lake
from warehouse.spark.session import require_spark, spark_failures_told
from warehouse.store import make_tables

CONTRACTS = load_contracts()
STEM, OTHER = "PAYM_110_I_2026112201_0001_00", "PAYM_110_I_2026112202_0001_00"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute("attach ':memory:' as warehouse")
        made.execute("use warehouse")
        make_tables(made, CONTRACTS)
        yield made


@pytest.fixture
def engine(tmp_path: Path) -> SparkEngine:
    return SparkEngine(SparkConfig("local[2]", 6, tmp_path / "lake", ()))


def put_in_lake(connection: duckdb.DuckDBPyConnection, directory: Path, *stems: str) -> None:
    """A version of the lake with these batches, and payments in two parts: the older one lacks a column."""
    lake = Lake(directory)
    following = lake.begin()
    following.batches = {stem: ["digest", "PAYM", "110", "I", stem[11:21], "0001"] for stem in stems}
    parts = following.tables["core.payment"] = {}
    for month, given in (("202610", "exclude (channel)"), ("202611", "replace ('APP' as channel)")):
        part = f"part_source=110/part_month={month}"
        place = Path("core", "payment", f"{following.version:06d}", part)
        (directory / place).mkdir(parents=True)
        row = f"(select payment.* replace ('P{month}' as payment_id) from (select 1) left join core.payment on false)"
        connection.execute(f"copy (select * {given} from {row}) to '{directory / place}/rows.parquet'")
        parts[part] = str(place)
    lake.commit(following)


def note_in_file(connection: duckdb.DuckDBPyConnection, *stems: str, is_of_lake: bool = True) -> None:
    connection.execute("delete from ops.loaded_batch")
    for stem in stems:
        connection.execute("insert into ops.loaded_batch by name select $1 as stem, 'digest' as digest", [stem])
    if is_of_lake:
        connection.execute("insert into ops.history_lake values ('core.payment', 'print')")


def test_a_column_that_a_contract_gained_is_taken_over_from_newer_parts(
    connection: duckdb.DuckDBPyConnection, engine: SparkEngine, tmp_path: Path
) -> None:
    put_in_lake(connection, tmp_path / "lake", STEM)
    engine.complete(connection, CONTRACTS)
    found = connection.execute("select payment_id, channel from core.payment order by all").fetchall()
    assert found == [("P202610", None), ("P202611", "APP")]


@pytest.mark.parametrize(
    ("held", "noted", "is_of_lake", "differs"),
    [
        ([], [], False, False),
        ([STEM], [STEM], True, False),
        ([STEM, OTHER], [STEM], True, True),  # a load was killed between the two, and the batch discarded since
        ([STEM], [], True, True),
        ([STEM], [STEM], False, True),  # DuckDB filled the file
        ([STEM], [STEM, OTHER], True, True),
    ],
)
def test_a_lake_that_differs_from_the_file_is_told(
    connection: duckdb.DuckDBPyConnection,
    engine: SparkEngine,
    tmp_path: Path,
    held: list[str],
    noted: list[str],
    is_of_lake: bool,
    differs: bool,
) -> None:
    if held:
        put_in_lake(connection, tmp_path / "lake", *held)
    note_in_file(connection, *noted, is_of_lake=is_of_lake)
    assert engine.differs(connection) is differs


def test_a_lake_with_other_snapshots_differs(
    connection: duckdb.DuckDBPyConnection, engine: SparkEngine, tmp_path: Path
) -> None:
    put_in_lake(connection, tmp_path / "lake", STEM)
    note_in_file(connection, STEM)
    connection.execute("insert into ops.snapshot values ('CUST', '110', '20261121', timestamp '2026-11-22')")
    assert engine.differs(connection)


@pytest.mark.parametrize("written", [b'{"lake_id": "x", ', b'{"parts": {}}', b"[1]", b"\xff"])
def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(written)
    with pytest.raises(StoreError, match=r"manifest\.json: expected .*; delete this file and run 'tierline load'"):
        Lake(tmp_path)


def test_a_lake_whose_link_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "lake").symlink_to(tmp_path / "mount")
    with pytest.raises(StoreError, match=r"lake: expected a directory, found a link to .*mount, which is not there"):
        Lake(tmp_path / "lake")


def test_no_marts_are_made_of_a_lake_that_differs(
    connection: duckdb.DuckDBPyConnection, engine: SparkEngine, tmp_path: Path
) -> None:
    put_in_lake(connection, tmp_path / "lake", STEM, OTHER)
    note_in_file(connection, STEM)
    with pytest.raises(UsageError, match="run 'tierline load' first"):
        engine.build(connection, CONTRACTS, default_policy(), date(2026, 11, 21), None)


def test_duckdb_differs_only_from_what_another_engine_left(connection: duckdb.DuckDBPyConnection) -> None:
    note_in_file(connection, STEM, is_of_lake=False)
    assert (DuckEngine().differs(connection), DuckEngine().loaded_batches(connection)) == (False, {(STEM, "digest")})
    note_in_file(connection, STEM)
    assert (DuckEngine().differs(connection), DuckEngine().loaded_batches(connection)) == (True, set())


@pytest.mark.parametrize("name", ["PySparkException", "Py4JError"])
def test_a_failure_of_spark_is_told_in_a_line(name: str) -> None:
    require_spark()
    import py4j.protocol
    import pyspark.errors

    error = getattr(pyspark.errors if name == "PySparkException" else py4j.protocol, name)
    for said in ("Job aborted\nat", "An error occurred while calling o9.parquet.\n: Job aborted\n\tat"):
        with pytest.raises(StoreError, match=r"^Spark: Job aborted$"), spark_failures_told():
            raise error(f"{said} org.apache.spark.Executor.run(Executor.scala)")


def test_what_was_forgotten_for_a_load_that_fails_is_still_there(tmp_path: Path) -> None:
    """Who goes back to DuckDB and is stopped keeps the core of before."""
    warehouse = Warehouse(tmp_path / "warehouse", tmp_path / "bi")
    warehouse.put(PAYMENTS, payment(1), payment(2))
    connection = warehouse.connection
    connection.execute("insert into ops.history_lake values ('core.payment', 'print')")
    staged = warehouse.standing[PAYMENTS].rows
    aside = staged.rename(tmp_path / "aside")
    with pytest.raises((duckdb.Error, StoreError)):
        warehouse.load()
    held = "select count(*) from core.payment"
    assert connection.execute(held).fetchall() == [(2,)]
    assert len(connection.execute("from ops.loaded_batch").fetchall()) == 1
    aside.rename(staged)
    warehouse.load()
    assert connection.execute(held).fetchall() == [(2,)]
    assert connection.execute("from ops.history_lake").fetchall() == []
    del warehouse.standing[PAYMENTS]  # nothing stands any more, and the file is of another engine
    connection.execute("insert into ops.history_lake values ('core.payment', 'print')")
    warehouse.load()
    assert connection.execute(held).fetchall() == [(0,)]
    connection.close()
