"""Spark as the engine: every table as DuckDB makes it, whatever came and went; killed between its steps; refused."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from mart_province import fill
from mart_tables import default_policy
from mart_world import draw_world
from offers import Offer, customers, in_core, payments, put_end
from running import Run, make_home, tierline, tierline_process

from pipelines.config_engine import SparkConfig
from pipelines.contracts.load import load_contracts
from pipelines.transfer.base import Endpoint
from sftp_fixtures.ports import free_ports
from sftp_fixtures.province import make_province
from warehouse.build import build
from warehouse.models import FOLDER, load_models
from warehouse.spark.lake import Lake
from warehouse.spark.marts import make_marts
from warehouse.spark.session import open_session, require_spark
from warehouse.spark.tables import Tables
from warehouse.spark.translating import to_spark
from warehouse.store import feed_tables, make_tables

NOW = "2026-11-22T12:00:00"
AS_OF = "2026-11-21"
HOUR = "PAYM_110_I_20261122{}_0001_{}"
# Few rows: what Spark does to be fast with many only takes time here.
_SMALL_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m"
SETTINGS = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.driver.extraJavaOptions": _SMALL_JAVA,
    "spark.executor.extraJavaOptions": _SMALL_JAVA,
}
CONTRACTS = load_contracts()


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that stays: the Java process that all tests of a worker share writes beside the first one's lake."""
    return tmp_path_factory.mktemp("spark")


def extra(master: str = "local[2]", **more: str) -> str:
    settings = json.dumps(SETTINGS | more)
    return f"engine: spark\nspark: {{master: '{master}', recent_months: 1, settings: {settings}}}\n"


def spark_home(work: Path, master: str = "local[2]", **more: str) -> Path:
    (work / "remote").mkdir(exist_ok=True)
    return make_home(work / "home", Endpoint("file", root=str(work / "remote")), extra=extra(master, **more))


def assert_as_duckdb(home: Path, into: Path) -> None:
    """DuckDB makes all of it anew from the archive, and every table of core and mart is the same."""
    ran = tierline(home, "rebuild", "--into", str(into), "--json", now=NOW)
    assert ran.out, ran.err
    said = json.loads(ran.out)
    assert (said["equal"], said["failed"], said["differences"]) == (True, [], []), said


def done(ran: Run) -> Run:
    assert ran.exit_status in (0, 3, 4), ran.out + ran.err
    return ran


def test_every_model_is_read_by_spark_too() -> None:
    """No Spark needed: what SQLGlot cannot say in Spark's SQL is found at once."""
    known = {"as_of": datetime(2026, 12, 6).date(), "bill_month": None, "first_no": 1, "last_no": 3, "feed": "CUST"}
    texts = [model.sql for model in load_models()] + [path.read_text() for path in (FOLDER / "core").glob("*.sql")]
    assert len(texts) > 80
    for text in texts:
        assert "$" not in to_spark(text, known)


def test_marts_of_a_random_world_are_those_of_duckdb(tmp_path: Path) -> None:
    """Every table that a model makes, value by value; a difference names table and rows."""
    world = draw_world(3)
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as warehouse")
        connection.execute("use warehouse")
        make_tables(connection, CONTRACTS)
        fill(connection, world.rows)
        build(connection, default_policy(), world.as_of, world.bill_month)
        lake = Lake(tmp_path / "lake")
        following = lake.begin()
        session = open_session(SparkConfig("local[2]", 6, lake.directory, tuple(SETTINGS.items())), lake.scratch)
        tables = Tables(session, lake, following)
        for contract in CONTRACTS.feeds:
            for table in feed_tables(contract):
                place = lake.directory / "core" / table / "000001"
                place.mkdir(parents=True)
                connection.execute(f"copy core.{table} to '{place}/rows.parquet'")
                following.tables[f"core.{table}"] = {"": str(place.relative_to(lake.directory))}
        parameters = {"as_of": world.as_of, "bill_month": world.bill_month}
        make_marts(connection, tables, load_models(), CONTRACTS, parameters)
        compared = 0
        for model in (each for each in load_models() if not each.is_step):
            files = [str(path) for path in lake.files(following.tables[model.name].values())]
            theirs = f"select * from read_parquet({files}, hive_partitioning = false)"
            for one, other in ((f"from {model.name}", theirs), (theirs, f"from {model.name}")):
                rows = connection.execute(f"({one}) except all ({other}) limit 3").fetchall()
                assert rows == [], f"{model.name}: only in one of both: {rows}"
            compared += connection.execute(f"select count(*) from {model.name}").fetchall()[0][0]
        assert compared > 1000


def test_a_run_publishes_what_duckdb_does(tmp_path: Path) -> None:
    """On a cluster of two worker processes: lists, marts, report; facts of the newest months alone."""
    make_province(
        tmp_path / "remote", subscribers=60, months=2, days=1, hours=2, end=datetime.fromisoformat(NOW), seed=7,
        bad_share=0.02,
    )  # fmt: skip
    home = spark_home(tmp_path, "local-cluster[2,1,1024]")
    ran = tierline_process(home, "run", "--as-of", AS_OF, now=NOW)
    assert ran.returncode in (0, 3), ran.stdout + ran.stderr
    assert_as_duckdb(home, tmp_path / "rebuilt")
    with duckdb.connect(str(home / "bi" / "current.duckdb"), read_only=True) as state:
        bills = state.execute("select distinct left(cycle, 6) from core.bill").fetchall()
    lake = Lake(home / "lake")
    assert len(bills) == 1
    assert len({part.partition("part_month=")[2] for part in lake.now.tables["core.bill"]}) == 2


def test_it_equals_duckdb_after_any_life(tmp_path: Path) -> None:
    """New version, discard, snapshots with absences, patches: only parts that changed are made anew, and rightly."""
    home, root = spark_home(tmp_path), tmp_path / "remote"

    def load(*offers: Offer) -> str:
        for offer in offers:
            offer.put(root)
        done(tierline(home, "fetch", now=NOW))
        return done(tierline(home, "load", now=NOW)).out

    first, newer = customers("20261120", 30), payments(HOUR.format("02", "01"), "BANK")
    load(first, payments(HOUR.format("01", "00"), "CARD", "CASH"), payments(HOUR.format("02", "00"), "CARD", "CASH"))
    put_end(root, first)
    load(newer)
    second = customers("20261121", 29)
    put_end(root, second)
    assert "  1 ended by absence from the snapshot CUST 110 20261121\n" in load(second)
    assert in_core(home, "select count(*) from core.customer where valid_to is not null") == [(1,)]  # by its absence
    before = Lake(home / "lake").now
    done(tierline(home, "batch", "discard", newer.stem, "--why", "drill", now=NOW))
    done(tierline(home, "load", now=NOW))
    after = Lake(home / "lake").now
    assert after.version > before.version
    assert after.tables["core.customer"] == before.tables["core.customer"]  # parts of others are as they were
    assert after.tables["core.payment"] != before.tables["core.payment"]
    done(tierline(home, "build", "--as-of", AS_OF, now=NOW))
    assert_as_duckdb(home, tmp_path / "rebuilt")
    version = Lake(home / "lake").now.version
    assert "renewed 0 subscribers" in done(tierline(home, "build", "--as-of", AS_OF, now=NOW)).out
    assert Lake(home / "lake").now.version == version


@pytest.mark.fault(1)
def test_killed_between_lake_and_warehouse(tmp_path: Path) -> None:
    home, root = spark_home(tmp_path), tmp_path / "remote"
    payments(HOUR.format("01", "00"), "CARD", "CASH").put(root)
    done(tierline(home, "fetch", now=NOW))
    for point in ("lake", "load"):
        killed = tierline_process(home, "load", now=NOW, fault=point)
        assert killed.returncode < 0, killed.stdout + killed.stderr
    assert Lake(home / "lake").now.version == 1
    assert "1 batches into core" in done(tierline(home, "load", now=NOW)).out
    assert Lake(home / "lake").now.version == 1  # it was taken over as it stood
    made = [*(home / "lake" / "core").rglob("*")]
    assert any(path.suffix == ".parquet" for path in made)
    assert {path.stat().st_mode & 0o077 for path in made} == {0}, "personal data is the owner's alone"
    assert_as_duckdb(home, tmp_path / "rebuilt")


def test_a_batch_of_a_killed_load_that_is_discarded_leaves_the_lake(tmp_path: Path) -> None:
    """Killed after the lake had it and before the file did; no marts are made of it in between. Then a broken part."""
    home, root = spark_home(tmp_path), tmp_path / "remote"
    kept, lost = (payments(HOUR.format(hour, "00"), "CARD", "CASH") for hour in ("01", "02"))
    for offer in (kept, lost):
        offer.put(root)
        done(tierline(home, "fetch", now=NOW))
        killed = tierline_process(home, "load", now=NOW, fault="load" if offer is lost else "")
        assert (killed.returncode < 0) == (offer is lost), killed.stdout + killed.stderr
    assert lost.stem in Lake(home / "lake").now.batches
    built = tierline(home, "build", "--as-of", AS_OF, now=NOW)
    assert (built.exit_status, "load' first" in built.err) == (2, True), built.err
    done(tierline(home, "batch", "discard", lost.stem, "--why", "drill", now=NOW))  # which loads
    assert set(Lake(home / "lake").now.batches) == {kept.stem}
    assert_as_duckdb(home, tmp_path / "rebuilt")
    lake = Lake(home / "lake")
    for path in lake.files(lake.now.tables["core.payment"].values()):
        path.write_bytes(b"no Parquet")
        path.with_name(f".{path.name}.crc").unlink(missing_ok=True)
    payments(HOUR.format("03", "00"), "CARD").put(root)
    done(tierline(home, "fetch", now=NOW))
    failed = tierline(home, "load", now=NOW)
    assert (failed.exit_status, failed.err.count("Spark: "), "Traceback" in failed.err) == (1, 1, False), failed.err


def test_a_lost_lake_and_a_return_to_duckdb(tmp_path: Path) -> None:
    """Whoever deletes the lake, or goes back, loses nothing: all of it is made again from staged rows."""
    home, root = spark_home(tmp_path), tmp_path / "remote"
    payments(HOUR.format("01", "00"), "CARD", "CASH").put(root)
    done(tierline(home, "fetch", now=NOW))
    done(tierline(home, "load", now=NOW))
    (home / "lake" / "manifest.json").unlink()
    assert "1 batches into core" in done(tierline(home, "load", now=NOW)).out
    config = home / "tierline.yaml"
    config.write_text(config.read_text().replace(extra(), ""))
    assert "1 batches into core" in done(tierline(home, "load", now=NOW)).out
    done(tierline(home, "build", "--as-of", AS_OF, now=NOW))
    assert_as_duckdb(home, tmp_path / "rebuilt")


def test_a_spark_that_ends_under_way_is_told(tmp_path: Path) -> None:
    """As the system ends it where memory is short: no traceback, but the cause and what to do."""
    home = spark_home(tmp_path)
    payments(HOUR.format("01", "00"), "CARD", "CASH").put(tmp_path / "remote")
    done(tierline(home, "fetch", now=NOW))
    with ThreadPoolExecutor(1) as threads:
        loading = threads.submit(tierline_process, home, "load", now=NOW)
        while not any((home / "lake" / ".work").glob("*.parquet")):
            assert not loading.done(), loading.result()
            time.sleep(0.01)
        end_java(home)
        ran = loading.result()
    assert (ran.returncode, "Traceback" in ran.stderr) == (1, False), ran.stderr
    assert "found that it ended" in ran.stderr
    assert "spark.driver.memory" in ran.stderr


def end_java(home: Path) -> None:
    """Kill the Spark that works on a home's lake."""
    mark = f"spark.sql.warehouse.dir={home / 'lake' / '.work'}".encode()
    (process,) = [each for each in Path("/proc").glob("[0-9]*/cmdline") if mark in _read(each)]
    os.kill(int(process.parent.name), signal.SIGKILL)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended meanwhile
        return b""


# Asks a Spark that is gone for core, for marts, and for a session; says what each raises.
_ASK_OF_A_LOST_SPARK = """
import sys, tempfile
from pathlib import Path
import duckdb
from pyspark import SparkContext
from pipelines.config_engine import SparkConfig
from pipelines.contracts.load import load_contracts
from warehouse.models import load_models
from warehouse.spark.lake import Lake
from warehouse.spark.marts import make_marts
from warehouse.spark.session import open_session
from warehouse.spark.tables import Tables

config = SparkConfig("local[2]", 6, Path(sys.argv[1]), ())
lake = Lake(config.lake)
tables = Tables(open_session(config, lake.scratch), lake, lake.begin())
SparkContext._gateway.proc.kill()
for ask in (
    lambda: make_marts(duckdb.connect(), tables, load_models(), load_contracts(), {}),
    lambda: open_session(config, lake.scratch),
):
    try:
        ask()
    except Exception as error:
        print(type(error).__name__, error)
"""


def test_a_spark_that_is_gone_is_lost_to_marts_and_sessions(tmp_path: Path) -> None:
    require_spark()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    room = tmp_path / "a lake" / ".spark"
    (room / "blockmgr-of-one-killed-before").mkdir(parents=True)
    asked = [sys.executable, "-c", _ASK_OF_A_LOST_SPARK, str(room.parent)]
    ran = subprocess.run(asked, capture_output=True, text=True, check=True, env=environment)
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["SparkLostError"] * 2, ran.stdout
    assert "Traceback" not in ran.stderr, ran.stderr
    left = {path.name.partition("-")[0] for path in room.iterdir()}
    assert {"blockmgr", "spark"} <= left, "it writes aside where the lake is, and the next clears it"
    assert not (room / "blockmgr-of-one-killed-before").exists()


def test_a_cluster_that_does_not_answer_is_told_at_once(tmp_path: Path) -> None:
    port = free_ports(1)
    home = spark_home(tmp_path, f"spark://127.0.0.1:{port}")
    payments(HOUR.format("01", "00"), "CARD").put(tmp_path / "remote")
    done(tierline(home, "fetch", now=NOW))
    ran = tierline(home, "load", now=NOW)
    assert (ran.exit_status, "found none that answers" in ran.err) == (1, True), ran.err
    (home / "lake").chmod(0o755)
    found = tierline(home, "doctor", now=NOW).out
    assert re.search(r"engine +failed", found)
    assert re.search(rf"others may read {home / 'lake'}", found)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    home = spark_home(tmp_path)
    payments(HOUR.format("01", "00"), "CARD", "CASH").put(tmp_path / "remote")
    done(tierline(home, "fetch", now=NOW))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", str(tmp_path))
        patched.delenv("JAVA_HOME", raising=False)
        ran = tierline(home, "load", now=NOW)
        assert "expected a Java" in tierline(home, "doctor", now=NOW).out
    assert ran.exit_status == 2
    assert "expected a Java, found none; install Java 17" in ran.err
    assert re.search(r"engine +ok +PySpark 4", tierline(home, "doctor", now=NOW).out)
    tried = tierline(home, "explain", "user", "U1", now=NOW)
    assert (tried.exit_status, "recent_months: expected at least 18" in tried.err) == (2, True), tried.err
    broken = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")), extra="engine: sparks\n")
    assert 'key engine: expected one of duckdb, spark, found the text "sparks"' in tierline(broken, "load", now=NOW).err
