"""core → mart in a lake: every model of the warehouse, as many at once as rest on nothing that is still made."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import duckdb

from pipelines.contracts.model import Contracts
from pipelines.errors import SparkLostError, StoreError
from warehouse.models import Model, part_column
from warehouse.spark.lake import MONTH, SOURCE
from warehouse.spark.session import spark_failures_told
from warehouse.spark.tables import Tables
from warehouse.spark.translating import Parameters
from warehouse.store import feed_tables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_AT_ONCE = 3  # models: beside one that is worked out another is planned
_ALL_SUBSCRIBERS = {"first_no": 1, "last_no": 2**62}  # Spark divides its work itself


def given_tables(models: Iterable[Model], contracts: Contracts) -> list[str]:
    """The small tables that models read and neither a model nor the lake's core has: cycles, policy, code lists."""
    listed = [*models]
    made = {model.name for model in listed}
    of_feeds = {f"core.{table}" for contract in contracts.feeds for table in feed_tables(contract)}
    return sorted({table for model in listed for table in model.reads} - made - of_feeds)


def make_marts(
    connection: duckdb.DuckDBPyConnection,
    tables: Tables,
    models: tuple[Model, ...],
    contracts: Contracts,
    parameters: Parameters,
) -> dict[str, float]:
    """Write every model's table as parts of the lake's next version; returns the seconds that each took.

    Raises StoreError naming a model that Spark cannot make; SparkLostError where none can be made any more.
    """
    with spark_failures_told():
        for contract in contracts.feeds:
            for name, columns in feed_tables(contract).items():
                tables.name_lake_table(f"core.{name}", columns)
        for name in given_tables(models, contracts):
            tables.name_small(connection, name)
    by_name = {model.name: model for model in models}
    sorter = TopologicalSorter({model.name: {*model.reads} & by_name.keys() for model in models})
    sorter.prepare()
    running: dict[Future[float], str] = {}
    seconds: dict[str, float] = {}
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        while sorter.is_active():
            for name in sorter.get_ready():
                model = by_name[name]
                running[threads.submit(_make, tables, model, parameters)] = name
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                name = running.pop(future)
                seconds[name] = future.result()
                sorter.done(name)
    return seconds


def _make(tables: Tables, model: Model, parameters: Parameters) -> float:
    start = time.perf_counter()
    used = {name: value for name, value in {**parameters, **_ALL_SUBSCRIBERS}.items() if name in model.parameters}
    try:
        with spark_failures_told():
            rows = tables.query(model.sql, used)
            if not model.is_step:
                _write(tables, model.name, rows)
            else:  # also of one reader: Spark works an expression out as often as a query names it
                tables.name(model.name, tables.keep(rows, model.name))
    except SparkLostError:
        raise
    except StoreError as error:
        raise StoreError(f"model {model.name}: {error}") from error
    return time.perf_counter() - start


def _write(tables: Tables, name: str, rows: DataFrame) -> None:
    """Rows of subscribers and customers in parts; of a table without rows a file that has its columns."""
    parted = {}
    if "source" in rows.columns and {"user_id", "customer_id"} & {*rows.columns}:
        parted[SOURCE] = "source"
    if part_column(rows.columns):
        parted[MONTH] = "month"
    placed = rows.withColumns({part: rows[column] for part, column in parted.items()})
    parts = tables.lake.write(tables.manifest, name, placed, parted)
    if not parts:
        parts = tables.lake.write(tables.manifest, name, rows.where("false").coalesce(1), ())
    tables.manifest.tables[name] = parts
    paths = [str(tables.lake.directory / part) for part in parts.values()]
    tables.name(name, tables.session.read.schema(rows.schema).parquet(*paths))
