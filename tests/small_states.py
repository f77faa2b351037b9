"""A small warehouse whose published states are made one after the other, and the whole content of a state."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl

from pipelines.checks.staging import REJECT_SCHEMA, staged_schema
from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.contracts.model import Contracts
from warehouse.changes import forget_changes
from warehouse.load import StandingBatch, load
from warehouse.publish import write_state
from warehouse.states import DATABASES, MASKED, show_state
from warehouse.store import attach, make_tables

_ALL = load_contracts(DEFAULT_SCHEMAS)
# Facts, histories, and what masks hide; the tables of the other feeds would cost time only.
CONTRACTS = Contracts(
    tuple(_ALL[feed] for feed in ("PAYM", "CHNG", "CUST", "USER")),
    tuple(each for each in _ALL.code_lists if each.name == "change_type"),
)
DAY = datetime(2026, 11, 21)
PAYMENTS, LATER_PAYMENTS = "PAYM_110_I_2026112110_0001", "PAYM_110_I_2026112111_0001"
CUSTOMERS, OTHER_CUSTOMERS = "CUST_110_I_20261121_0001", "CUST_110_I_20261121_0002"
Row = dict[str, object]


def payment(number: int, **columns: object) -> Row:
    return {
        "payment_id": f"P{number:05d}", "user_id": "U00001", "service_number": f"138{number:08d}",
        "paid_at": DAY, "amount_fen": 1000 * number,
    } | columns  # fmt: skip


def customers(*names: str, first: int = 0) -> list[Row]:
    return [
        {"op": "I", "op_time": DAY, "customer_id": f"C{number:05d}", "customer_type": "1", "customer_name": name}
        for number, name in enumerate(names, first)
    ]


class Warehouse:
    """Batches that stand, by the stem without its version, and what is published of them."""

    def __init__(self, directory: Path, bi: Path, contracts: Contracts = CONTRACTS) -> None:
        self.directory, self.bi, self.contracts = directory, bi, contracts
        directory.mkdir()
        self._open()
        make_tables(self.connection, contracts)
        self.connection.execute(
            "create table mart.whole (user_id varchar, points bigint); insert into mart.whole values ('U00001', 5);"
            "create table mart.by_month (user_id varchar, month varchar, service_number varchar, total_fen bigint)"
        )
        self.standing: dict[str, StandingBatch] = {}
        self.staged = self.published = 0

    def _open(self) -> None:
        self.connection = duckdb.connect()
        attach(self.connection, self.directory / "warehouse.duckdb", "warehouse")
        self.connection.execute("use warehouse")

    def keep_a_copy(self) -> None:
        self.connection.close()
        shutil.copy(self.directory / "warehouse.duckdb", self.directory / "kept.duckdb")
        self._open()

    def put_back(self) -> None:
        """The warehouse is again as it was when a copy was kept."""
        self.connection.close()
        (self.directory / "kept.duckdb").replace(self.directory / "warehouse.duckdb")
        self._open()

    def put(self, batch: str, *rows: Row) -> None:
        """Stage a batch's next version and load it in the place of the one before."""
        self.staged += 1
        stem = f"{batch}_{self.staged:02d}"
        schema = staged_schema(self.contracts[batch[:4]])
        full = [dict.fromkeys(schema) | row | {"batch_stem": stem, "line": line} for line, row in enumerate(rows, 2)]
        paths = (self.directory / f"{stem}.parquet", self.directory / f"{stem}.rejects.parquet")
        pl.DataFrame(full, schema=schema).write_parquet(paths[0])
        pl.DataFrame(schema=REJECT_SCHEMA).write_parquet(paths[1])
        feed, source, mode, cycle, seq = batch.split("_")
        self.standing[batch] = StandingBatch(
            stem, "digest", feed, source, mode, cycle, seq, DAY + timedelta(days=1), *paths
        )
        self.load()

    def load(self) -> None:
        load(self.connection, self.contracts, list(self.standing.values()), [])

    def month(self, month: str, *totals: int) -> None:
        """Let a mart say these totals of a month, and no others."""
        self.connection.execute("delete from mart.by_month where month = $month", {"month": month})
        for number, total in enumerate(totals):
            self.connection.execute(
                "insert into mart.by_month values ($user, $month, $phone, $total)",
                {"user": f"U{number}", "month": month, "phone": f"139{number:08d}", "total": total},
            )

    def discard(self, batch: str) -> None:
        del self.standing[batch]
        self.load()

    def publish(self) -> Path:
        """As the publication does; returns the state's directory."""
        self.published += 1
        name = f"{self.published:06d}"
        self.connection.execute(
            "insert into ops.publication by name select $name as publication_id, $at as published_at, "
            "(select count(*) from ops.loaded_batch) as batch_count, load_no from ops.load_state",
            {"name": name, "at": DAY + timedelta(minutes=self.published)},
        )
        forget_changes(self.connection)
        write_state(self.connection, self.contracts, self.bi, name)
        show_state(self.bi, name)
        return (self.bi / "current").resolve()

    def differences(self, state: Path) -> list[str]:
        """The tables and Parquet files of a state that hold other rows than the warehouse, masked or not."""
        found, run = [], self.connection.execute
        for name in DATABASES:
            run(f"attach '{state / name}' as given (read_only)")
            for table, columns in _tables(self.connection, "given").items():
                shown = ", ".join(_MASKED.get(each, each) if name == MASKED else each for each in columns)
                ours, theirs = f"select {shown} from {table}", f"select {', '.join(columns)} from given.{table}"
                places = {f"{name} {table}": theirs}
                if name == MASKED and table.startswith("mart."):
                    paths = [str(path) for path in _parquet(state, table)]
                    places[f"Parquet of {table}"] = f"select {', '.join(columns)} from read_parquet({paths})"
                found += [place for place, sql in places.items() if _differ(self.connection, ours, sql)]
            run("detach given")
        return found

    def from_nothing(self) -> dict[str, object]:
        """The content of a state that is made of this warehouse without one before."""
        return content(write_state(self.connection, self.contracts, self.bi.with_name("anew"), "anew"))


# By hand what the masked database shows in the place of these columns.
_MASKED = {
    "customer_name": "left(customer_name, 1) || '*'",
    "service_number": "left(service_number, 3) || '****' || right(service_number, 4)",
}


def _tables(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, list[str]]:
    """Tables with their columns, but what a state notes of itself."""
    rows = connection.execute(
        "select schema_name || '.' || table_name, list(column_name order by column_index) from duckdb_columns() "
        "semi join duckdb_tables() using (database_name, schema_name, table_name) "
        "where database_name = $database and table_name <> 'state_part' group by 1",
        {"database": database},
    ).fetchall()
    return dict(rows)


def _parquet(state: Path, table: str) -> list[Path]:
    stem = table.replace(".", "_")
    return [*state.glob(f"{stem}.parquet"), *state.glob(f"{stem}/*.parquet")]


def _differ(connection: duckdb.DuckDBPyConnection, left: str, right: str) -> bool:
    rows = connection.execute(f"({left} except all {right}) union all ({right} except all {left}) limit 1").fetchall()
    return bool(rows)


def content(state: Path) -> dict[str, object]:
    """All that a state tells: of both databases columns, comments and rows, and the rows of its Parquet files."""
    found: dict[str, object] = {}
    with duckdb.connect() as connection:
        for name in DATABASES:
            connection.execute(f"attach '{state / name}' as given (read_only)")
            shapes = connection.execute(
                "select schema_name, table_name, column_name, data_type, comment from duckdb_columns() "
                "where database_name = 'given' order by schema_name, table_name, column_index"
            ).fetchall()
            found[f"{name} columns"] = shapes
            for table in sorted({f"{schema}.{table}" for schema, table, *_ in shapes}):
                found[f"{name} {table}"] = connection.execute(f"from given.{table} order by all").fetchall()
            connection.execute("detach given")
        for path in state.rglob("*.parquet"):
            found[str(path.relative_to(state))] = connection.execute(f"from '{path}' order by all").fetchall()
    return found
