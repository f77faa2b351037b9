"""warehouse → state: bringing the rows of a state's tables on, each by what decides for it.

The warehouse is `warehouse`, the database of the state `state`; both are attached.
"""

from __future__ import annotations

import logging
from pathlib import Path

import duckdb
import polars as pl

from warehouse.changes import changed_since
from warehouse.state_tables import PRINTS, Table
from warehouse.statements import literal

Prints = dict[str, tuple[int, str]]  # of each part of a table: its rows and their fingerprint
PRINT_SCHEMA = {"table_name": pl.String, "part": pl.String, "row_count": pl.Int64, "print": pl.String}
_WHOLE = ""  # the one part of a table that has no parts
_log = logging.getLogger(__name__)


class WarehousePrints:
    """What the warehouse holds of tables that are brought on by parts; looked at once, and only where it is asked."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._found: dict[str, Prints] = {}

    def of(self, table: Table) -> Prints:
        if table.name not in self._found:
            self._found[table.name] = _prints(self._connection, table)
        return self._found[table.name]


def fill(
    connection: duckdb.DuckDBPyConnection, tables: list[Table], empty: set[str], prints: WarehousePrints
) -> dict[str, set[str]]:
    """Bring all tables on, those named in `empty` from nothing; returns which parts of which have other rows now."""
    noted = noted_prints(connection)
    _note_batches(connection)
    load_no, build_no = _load_no(connection), _build_no(connection)
    stale: dict[str, set[str]] = {}
    exchanged: dict[str, Prints] = {}
    for table in tables:
        if table.by == "part":
            if table.entity and build_no is not None and table.name not in empty:
                stale[table.name] = _by_renewal(connection, table, build_no)
            elif parts := _by_parts(connection, table, prints.of(table), noted.get(table.name, {})):
                stale[table.name], exchanged[table.name] = parts, prints.of(table)
            continue
        if table.name in empty or not _by_change(connection, table, load_no):
            _refill(connection, table)
        if _differs(connection, table):
            _fill_anew(connection, table)
    note_prints(connection, exchanged)  # of all at once: each takes its time
    return stale


def export(
    connection: duckdb.DuckDBPyConnection, tables: list[Table], stale: dict[str, set[str]], directory: Path
) -> None:
    """Marts and lists as the state shows them, into Parquet: `mart_TABLE.parquet`, or a file a part in a directory.

    Read from the warehouse, which nobody writes meanwhile. Only what is stale or missing is written, never over what is
    there: the file may be the state's at hand too.
    """
    kept: set[Path] = set()
    for table in tables:
        if table.name.startswith(("mart.", "list.")):
            kept |= _export(connection, table, stale.get(table.name, set()), directory)
    for path in directory.rglob("*.parquet"):
        if path not in kept:
            path.unlink()


def _note_batches(connection: duckdb.DuckDBPyConnection) -> None:
    """Temp tables `gone` and `come`: batches that the state has and should not, and the reverse."""
    for name, ours, theirs in (("gone", "state", "warehouse"), ("come", "warehouse", "state")):
        connection.execute(
            f"create or replace temp table {name} as select stem, digest, feed from {ours}.ops.loaded_batch "
            f"except select stem, digest, feed from {theirs}.ops.loaded_batch"
        )


def _load_no(connection: duckdb.DuckDBPyConnection) -> int:
    rows = connection.execute("select load_no from state.ops.load_state").fetchall()
    return int(rows[0][0]) if rows else -1


def _build_no(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The build after which the state was made; None where not all that was built since was renewed alone."""
    rows = connection.execute(
        "select theirs.build_no from state.ops.built as theirs "
        "inner join ops.built as ours on theirs.build_no between ours.whole_no and ours.build_no"
    ).fetchall()
    return int(rows[0][0]) if rows else None


def _by_change(connection: duckdb.DuckDBPyConnection, table: Table, load_no: int) -> bool:
    """False: what changed is not known any more."""
    if table.by == "batch":
        _by_batches(connection, table)
        return True
    if not changed_since(connection, table.name.removeprefix("core."), load_no):
        return False
    _exchange(connection, table, f"{table.column} in (select entity_id from changed)")
    return True


def _by_batches(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    connection.execute(f"delete from state.{table.name} where {table.column} in (select stem from gone)")
    connection.execute(_insert(table, f"{table.column} in (select stem from come)"))
    if "is_current" in table.columns:
        _mark_current(connection, table)


def _mark_current(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Rows that stayed and are displaced now, or no more: few are not current, and a scan for them is cheap."""
    displaced = f"select batch_stem, line from {{}}.{table.name} where not is_current"
    connection.execute(
        f"""
        create or replace temp table turned as
        select batch_stem, line, count(*) filter (where is_ours) = 0 as is_current
        from (
            select *, true as is_ours from ({displaced.format("warehouse")})
            union all
            select *, false from ({displaced.format("state")})
        )
        group by all
        having count(*) = 1
        """
    )
    connection.execute(
        f"update state.{table.name} as row set is_current = turned.is_current from turned "
        "where row.batch_stem = turned.batch_stem and row.line = turned.line"
    )


def _by_parts(connection: duckdb.DuckDBPyConnection, table: Table, ours: Prints, theirs: Prints) -> set[str]:
    """Exchange the parts that differ; which these are."""
    if not theirs:  # nothing is known of what it holds
        connection.execute(f"delete from state.{table.name}")
    differing = {part for part in theirs.keys() | ours.keys() if ours.get(part) != theirs.get(part)}
    for part in sorted(differing):
        _exchange(connection, table, _within(table, part))
    return differing


def _by_renewal(connection: duckdb.DuckDBPyConnection, table: Table, build_no: int) -> set[str]:
    """Exchange the rows of whom builds after `build_no` renewed; the parts that these are in.

    Where the entity is masked, those of all who look the same: the state has no more to find them by.
    """
    entity = table.masks.get(table.entity or "", table.entity)
    connection.execute(
        f"create or replace temp table changed as select distinct coalesce({entity}, '') as entity_id, part "
        f"from (select nullif(entity_id, '') as {table.entity}, part from ops.history_build "
        "where table_name = $name and build_no > $build_no)",
        {"name": table.name, "build_no": build_no},
    )
    stale = {part for (part,) in connection.execute("select distinct part from changed").fetchall()}
    if stale:
        renewed = f"(coalesce({{}}, ''), {table.part}) in (from changed)"
        connection.execute(f"delete from state.{table.name} where {renewed.format(table.entity)}")
        connection.execute(_insert(table, renewed.format(entity)))
    if _differs(connection, table):
        stale |= _parts(connection, table, "state") | _parts(connection, table, "warehouse")
        _fill_anew(connection, table)
    if stale:  # the fingerprints are of before
        connection.execute(f"delete from state.{PRINTS} where table_name = '{table.name}'")
    return stale


def _parts(connection: duckdb.DuckDBPyConnection, table: Table, database: str) -> set[str]:
    """Of which parts there are rows; a table without any is one part."""
    if not table.column:
        return {_WHOLE}
    found = connection.execute(f"select distinct {table.part} from {database}.{table.name}").fetchall()
    return {each for (each,) in found} or {_WHOLE}


def note_prints(connection: duckdb.DuckDBPyConnection, changed: dict[str, Prints]) -> None:
    """Let the state say of tables what their parts were made from: rows and fingerprint of each."""
    rows = [(name, part, *print_) for name, prints in changed.items() for part, print_ in prints.items()]
    frame = pl.DataFrame(rows, schema=PRINT_SCHEMA, orient="row")
    connection.register("incoming", frame)
    connection.execute(f"delete from state.{PRINTS} where table_name in (select table_name from incoming)")
    connection.execute(f"insert into state.{PRINTS} select * from incoming")
    connection.unregister("incoming")


def _prints(connection: duckdb.DuckDBPyConnection, table: Table) -> Prints:
    """Rows and fingerprint of each part as the warehouse has it; the whole has one even where it is empty."""
    listed = ", ".join(f'"{column}"' for column in table.columns)
    rows = connection.execute(
        f"select {table.part}, count(*), cast(sum(hash({listed})) as varchar) from {table.name} group by 1"
    ).fetchall()
    return {part: (count, fingerprint) for part, count, fingerprint in rows} or {_WHOLE: (0, "")}


def noted_prints(connection: duckdb.DuckDBPyConnection) -> dict[str, Prints]:
    """What `note_prints` noted, by table."""
    found: dict[str, Prints] = {}
    for name, part, *print_ in connection.execute(f"from state.{PRINTS}").fetchall():
        found.setdefault(name, {})[part] = (print_[0], print_[1])
    return found


def _within(table: Table, part: str) -> str:
    if not table.column:
        return "true"
    # Only a comparison of the column itself lets a scan pass over what is not of the part.
    return f"{table.column} = '{part}'" if part else f"{table.part} = ''"


def _export(connection: duckdb.DuckDBPyConnection, table: Table, stale: set[str], directory: Path) -> set[Path]:
    """Write the files of a table that are stale or missing; returns where all of them stand."""
    stem = directory / table.name.replace(".", "_")
    kept = set()
    for part in _parts(connection, table, "warehouse"):
        path = stem / f"{part}.parquet" if table.column else stem.with_suffix(".parquet")
        if part in stale or not path.exists():
            path.unlink(missing_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            rows = f"select {table.shown} from warehouse.{table.name} where {_within(table, part)}"
            connection.execute(f"copy ({rows}) to {literal(path)} (format parquet)")
        kept.add(path)
    return kept


def _exchange(connection: duckdb.DuckDBPyConnection, table: Table, which: str) -> None:
    connection.execute(f"delete from state.{table.name} where {which}")
    connection.execute(_insert(table, which))


def _refill(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    _exchange(connection, table, "true")


def _fill_anew(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    _log.warning("%s: what was brought on differs from the warehouse: filled anew, nothing to do", table.name)
    _refill(connection, table)


def _insert(table: Table, which: str) -> str:
    return f"insert into state.{table.name} select {table.shown} from warehouse.{table.name} where {which}"


def _differs(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Whether a state has other numbers of rows than the warehouse: what is brought on must not drift unseen."""
    current = ", count(*) filter (where is_current)" if "is_current" in table.columns else ""
    count = f"select count(*){current} from {{}}.{table.name}"
    ours, theirs = (connection.execute(count.format(name)).fetchall() for name in ("warehouse", "state"))
    return ours != theirs
