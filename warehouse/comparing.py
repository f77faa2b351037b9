"""Whether two warehouses say the same, value by value: every table that follows from the accepted files alone.

Each table is counted and hashed in parts, in no order; only parts that differ are compared row by row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipelines.contracts.model import Contracts
from warehouse.models import GIVEN, load_models
from warehouse.statements import literal
from warehouse.store import MEMORY_MB

BUILT_SCHEMAS = ("mart", "policy", "list")  # what a build makes of core
_CORE = "core"
_AFTER_CORE = ("core.date", "core.plan")  # derived from core, and as old as what was built
_OPS = ("loaded_batch", "reject", "snapshot", "snapshot_reject")  # the rest tells of the processing, or of the ledger
# What of these tells of the processing: how often a batch was staged, and in which load it came.
_AS_COMPARED = {("ops.loaded_batch", "digest"): "split_part(digest, '#', 1)"}
_PROCESSING = ("load_no",)
_PARTS = 256
_EXAMPLES = 5


@dataclass(frozen=True)
class Difference:
    """A table that differs: rows of each side, rows that only one side has, where they differ, examples of their keys.

    `columns` are those in which rows of one key differ; where the tables have other columns or types, these.
    """

    table: str
    present_rows: int
    rebuilt_rows: int
    only_present: int
    only_rebuilt: int
    columns: tuple[str, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """How many tables were compared, and those that differ."""

    tables: int
    differences: tuple[Difference, ...]


def compare(
    present: Path,
    rebuilt: Path,
    contracts: Contracts,
    *,
    with_built: bool,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Compare two warehouse files table by table: core, what is noted of batches, and (`with_built`) what was built.

    `tell` is told how many tables of how many are done. Personal data never leaves the warehouses: examples are keys
    of columns that the contracts do not mask. Raises duckdb.Error where a file cannot be read.
    """
    with _both(present, rebuilt) as connection:
        tables = sorted(_tables(connection, "present", with_built) | _tables(connection, "rebuilt", with_built))
        found = []
        for done, table in enumerate(tables, start=1):
            if difference := _Table(connection, contracts, table).difference():
                found.append(difference)
            tell(done, len(tables))
    return Comparison(len(tables), tuple(found))


@contextmanager
def _both(present: Path, rebuilt: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    try:
        for name, path in (("present", present), ("rebuilt", rebuilt)):
            connection.execute(f"attach {literal(path)} as {name} (read_only)")
        connection.execute(f"set memory_limit = '{MEMORY_MB}MB'")
        connection.execute(f"set temp_directory = {literal(rebuilt.parent / 'spill')}")
        yield connection
    finally:
        connection.close()


def _tables(connection: duckdb.DuckDBPyConnection, side: str, with_built: bool) -> set[str]:
    rows = connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = $side", {"side": side}
    ).fetchall()
    schemas = (_CORE, *BUILT_SCHEMAS) if with_built else (_CORE,)
    found = {
        f"{schema}.{table}"
        for schema, table in rows
        # What was published before is no result of the files.
        if (schema in schemas and f"{schema}.{table}" not in GIVEN) or (schema == "ops" and table in _OPS)
    }
    return found if with_built else found - set(_AFTER_CORE)


class _Table:
    """One table on both sides."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, contracts: Contracts, table: str) -> None:
        self._connection = connection
        self._table = table
        self._types = {side: self._columns(side) for side in ("present", "rebuilt")}
        self._names = sorted(self._types["present"])
        self._keys = self._key_columns(contracts)

    def difference(self) -> Difference | None:
        if self._types["present"] != self._types["rebuilt"]:
            return self._other_columns()
        parts = {side: self._parts(side) for side in ("present", "rebuilt")}
        differing = {part for part, _ in set(parts["present"].items()) ^ set(parts["rebuilt"].items())}
        if not differing:
            return None
        for side, other in (("present", "rebuilt"), ("rebuilt", "present")):
            rows, others = self._rows(side, differing), self._rows(other, differing)
            self._connection.execute(f"create or replace temp table only_{side} as {rows} except all {others}")
        return Difference(
            self._table,
            sum(rows for rows, _ in parts["present"].values()),
            sum(rows for rows, _ in parts["rebuilt"].values()),
            self._count("only_present"),
            self._count("only_rebuilt"),
            self._changed_columns(),
            self._examples(),
        )

    def _columns(self, side: str) -> dict[str, str]:
        schema, table = self._table.split(".")
        rows = self._connection.execute(
            "select column_name, data_type from duckdb_columns() "
            "where database_name = $side and schema_name = $schema and table_name = $table",
            {"side": side, "schema": schema, "table": table},
        ).fetchall()
        return {name: sql_type for name, sql_type in rows if name not in _PROCESSING}

    def _key_columns(self, contracts: Contracts) -> list[str]:
        """Columns that tell an operator which row is meant, and are no personal data."""
        schema = self._table.split(".")[0]
        masked = {column.name for each in contracts.feeds for column in each.stored_columns if column.mask}
        key = next((model.key for model in load_models() if model.name == self._table), "")
        if {"batch_stem", "line"} <= set(self._names):
            words = ["batch_stem", "line", "valid_from"]
        elif schema == "ops":
            words = ["stem", "line", "feed", "source", "cycle"]
        else:  # of code lists and policy the first columns are the key
            words = re.findall("[a-z_0-9]+", key) or list(self._types["present"])[:2]
        found = [word for word in words if word in self._names and word not in masked]
        return found or [name for name in self._names if name.endswith("_id") and name not in masked]

    def _other_columns(self) -> Difference:
        ours, theirs = self._types["present"].items(), self._types["rebuilt"].items()
        counts = [self._count(f"{side}.{self._table}") if self._types[side] else 0 for side in ("present", "rebuilt")]
        names = tuple(sorted({name for name, _ in ours ^ theirs}))
        return Difference(self._table, counts[0], counts[1], counts[0], counts[1], names, ())

    def _parts(self, side: str) -> dict[int, tuple[int, int]]:
        """Rows and the sum of their hashes, by part.

        A hash of the hash: DuckDB's own of several columns is a mere exclusive or of them, so that values which two
        rows had changed for one another could pass.
        """
        rows = self._connection.execute(
            f"select row_hash % {_PARTS} as part, count(*), sum(row_hash) "
            f"from (select {self._hash} as row_hash from {side}.{self._table}) group by part"
        ).fetchall()
        return {part: (count, int(total)) for part, count, total in rows}

    @property
    def _hash(self) -> str:
        return f"hash(hash({', '.join(map(self._expression, self._names))}))"

    def _rows(self, side: str, parts: set[int]) -> str:
        chosen = ", ".join(f'{self._expression(name)} as "{name}"' for name in self._names)
        listed = ", ".join(map(str, sorted(parts)))
        return f"select {chosen} from {side}.{self._table} where {self._hash} % {_PARTS} in ({listed})"

    def _expression(self, name: str) -> str:
        return _AS_COMPARED.get((self._table, name), f'"{name}"')

    def _changed_columns(self) -> tuple[str, ...]:
        """Columns in which rows of one key differ; none where a row has no other side, or the table no such key."""
        same_key = " and ".join(f'p."{name}" is not distinct from r."{name}"' for name in self._keys) or "false"
        differs = ", ".join(f'bool_or(p."{name}" is distinct from r."{name}")' for name in self._names)
        query = f"select {differs} from only_present as p inner join only_rebuilt as r on {same_key}"
        flags = self._connection.execute(query).fetchall()[0]
        return tuple(name for name, flag in zip(self._names, flags, strict=True) if flag)

    def _examples(self) -> tuple[str, ...]:
        if not self._keys:
            return ()
        keys = ", ".join(f'"{name}"' for name in self._keys)
        rows = self._connection.execute(
            f"select distinct {keys} from (from only_present union all from only_rebuilt) "
            f"order by all limit {_EXAMPLES}"
        ).fetchall()
        return tuple(
            " ".join(f"{name}={value}" for name, value in zip(self._keys, row, strict=True) if value is not None)
            for row in rows
        )

    def _count(self, table: str) -> int:
        count: int = self._connection.execute(f"select count(*) from {table}").fetchall()[0][0]
        return count
