"""Relations that a session knows by name: parts of a lake, small tables of the warehouse, and what models make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from warehouse.spark.lake import Lake, Manifest
from warehouse.spark.translating import Parameters, spark_type, to_spark, view_of
from warehouse.statements import literal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class Tables:
    """What a session works on: a lake's tables in one of its versions, and views of the session.

    What Spark raises is told by `spark_failures_told`, around all that is asked of these.
    """

    def __init__(self, session: SparkSession, lake: Lake, manifest: Manifest) -> None:
        self.session = session
        self.lake = lake
        self.manifest = manifest

    def query(self, sql: str, parameters: Parameters | None = None) -> DataFrame:
        """What a select in DuckDB's SQL gives."""
        return self.session.sql(to_spark(sql, parameters or {}))

    def name(self, table: str, rows: DataFrame) -> None:
        """Let queries read rows under a name."""
        rows.createOrReplaceTempView(view_of(table))

    def name_query(self, table: str, sql: str, parameters: Parameters | None = None) -> None:
        """Let queries read the rows of another under a name."""
        self.name(table, self.query(sql, parameters))

    def name_kept(self, table: str, sql: str) -> None:
        """The same, worked out once: for what is read several times."""
        self.name(table, self.keep(self.query(sql), table))

    def name_lake_table(self, table: str, columns: Mapping[str, str]) -> None:
        """Let queries read a table of the lake, in these columns with DuckDB's types; one without parts has no rows."""
        self.name(table, self.read(self.manifest.tables.get(table, {}).values(), columns))

    def read(self, parts: Iterable[str], columns: Mapping[str, str]) -> DataFrame:
        """The rows of parts of the lake."""
        return self.read_files([str(self.lake.directory / part) for part in parts], columns)

    def read_files(self, paths: list[str], columns: Mapping[str, str]) -> DataFrame:
        """The rows of Parquet files; a column that one lacks is null in its rows."""
        types = {name: spark_type(sql_type) for name, sql_type in columns.items()}
        if not paths:
            listed = ", ".join(f"cast(null as {each}) as `{name}`" for name, each in types.items())
            return self.session.sql(f"select {listed} where false")
        return self.session.read.schema(", ".join(f"`{name}` {each}" for name, each in types.items())).parquet(*paths)

    def name_frame(self, table: str, frame: pl.DataFrame) -> None:
        """Let queries read rows that were made here. By a file: workers of a cluster may have no Python."""
        path = self.lake.scratch / f"{view_of(table)}.parquet"
        frame.write_parquet(path)
        self.name(table, self.session.read.parquet(str(path)))

    def name_small(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        """Let queries read a small table of the warehouse as it stands."""
        path = self.lake.scratch / f"{view_of(table)}.parquet"
        connection.execute(f"copy (from {table}) to {literal(path)} (format parquet)")
        self.name(table, self.session.read.parquet(str(path)))

    def keep(self, rows: DataFrame, name: str) -> DataFrame:
        """The same rows, worked out once and written aside: others read them many times."""
        path = str(self.lake.scratch / f"made_{view_of(name)}")
        rows.write.mode("overwrite").option("compression", "lz4_raw").parquet(path)
        return self.session.read.schema(rows.schema).parquet(path)
