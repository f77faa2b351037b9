"""Marts of a month made by Spark, beside DuckDB's of the same core; linear to three times the size.

    python tests/bench/spark.py --subscribers 1000000 --times 3

Bounds: on two cores at most 4 times DuckDB's time; three times the subscribers at most 3 times the time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import duckdb
from figures import Figure, tell
from marts import build_marts, fill_core
from measuring import Run, median_run, timed_process

from pipelines.cli.output import say
from pipelines.config_engine import SparkConfig
from pipelines.contracts.load import load_contracts
from pipelines.contracts.model import Contract
from warehouse.models import load_models
from warehouse.spark.lake import Lake, Manifest
from warehouse.spark.marts import make_marts
from warehouse.spark.session import open_session
from warehouse.spark.tables import Tables
from warehouse.store import feed_tables, open_warehouse

_PARAMETERS = {"as_of": date(2026, 12, 6), "bill_month": None}


def prepare(folder: Path, subscribers: int) -> None:
    """A nation's core in a warehouse, and the same as parts of a lake."""
    with open_warehouse(folder / "warehouse", load_contracts()) as connection:
        fill_core(connection, subscribers)
        build_marts(connection)
        lake = Lake(folder / "lake")
        following = lake.begin()
        for contract in load_contracts().feeds:
            copy_core(connection, lake, following, contract)
        lake.commit(following)


def copy_core(connection: duckdb.DuckDBPyConnection, lake: Lake, following: Manifest, contract: Contract) -> None:
    """The tables of a feed, by source and, where a cycle says it, month."""
    for table, columns in feed_tables(contract).items():
        by = ["part_source"] + (["part_month"] if "cycle" in columns else [])
        month = ", left(cycle, 6) as part_month" if "cycle" in columns else ""
        place = lake.directory / "core" / table / f"{following.version:06d}"
        place.parent.mkdir(parents=True, exist_ok=True)
        connection.execute(
            f"copy (select *, source as part_source{month} from core.{table}) to '{place}' "
            f"(format parquet, partition_by ({', '.join(by)}), compression zstd)"
        )
        parts = {str(path.parent.relative_to(place)) for path in place.rglob("*.parquet")}
        following.tables[f"core.{table}"] = {part: str((place / part).relative_to(lake.directory)) for part in parts}


def make(folder: Path, engine: str, memory: int) -> None:
    """One build, as the step of a command does it: in a process that has to start its engine first."""
    begun = time.perf_counter()
    with open_warehouse(folder / "warehouse", load_contracts()) as connection:
        if engine == "duckdb":
            seconds = {each.name: each.seconds for each in build_marts(connection).models}
        else:
            lake = Lake(folder / "lake")
            following = lake.begin()
            settings = (("spark.driver.memory", f"{memory}m"), ("spark.sql.shuffle.partitions", "8"))
            session = open_session(SparkConfig("local[2]", 6, lake.directory, settings), lake.scratch)
            tables = Tables(session, lake, following)
            seconds = make_marts(connection, tables, load_models(), load_contracts(), _PARAMETERS)
            session.stop()
    for name in sorted(seconds, key=lambda each: -seconds[each])[:12]:
        say(f"  {seconds[name]:6.1f} s {name}")
    say(f"{engine}: {time.perf_counter() - begun:.1f} s")


def measure(folder: Path, subscribers: int, runs: int, memory: int) -> tuple[Run, Run]:
    """DuckDB's build and Spark's, one after the other, as often."""
    (folder / "warehouse").mkdir(parents=True)
    subprocess.run([sys.executable, __file__, "--prepare", folder, "--subscribers", str(subscribers)], check=True)
    found: dict[str, list[Run]] = {"duckdb": [], "spark": []}
    for _ in range(runs):
        for engine, of_engine in found.items():
            command = [sys.executable, __file__, "--make", str(folder), "--engine", engine, "--memory", str(memory)]
            of_engine.append(timed_process(command, environment=dict(os.environ)))
            say(f"{subscribers:,} subscribers, {engine}: {of_engine[-1].s:.1f} s, {of_engine[-1].mb:.0f} MB")
    return median_run(found["duckdb"]), median_run(found["spark"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=3, help="how many times as large the large size is; 1: none")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--memory", type=int, default=5000, help="MB for Spark's driver")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--engine", default="duckdb", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.prepare:
        prepare(wanted.prepare, wanted.subscribers)
        return
    if wanted.make:
        make(wanted.make, wanted.engine, wanted.memory)
        return
    with tempfile.TemporaryDirectory() as name:
        duck, spark = measure(Path(name) / "small", wanted.subscribers, wanted.runs, wanted.memory)
        what = f"Spark's marts of a month, {wanted.subscribers:,} subscribers"
        figures = [Figure("spark", what, spark.s, "s", duck.s, mb=spark.mb)]
        if wanted.times > 1:
            _, larger = measure(Path(name) / "large", wanted.subscribers * wanted.times, wanted.runs, wanted.memory)
            figures.append(
                Figure("spark_growth", f"{what}, {wanted.times} times as many", larger.s / spark.s, "×", mb=larger.mb)
            )
    tell("core in Parquet to marts in Parquet, both engines on two cores, with their start", *figures)


if __name__ == "__main__":
    main()
