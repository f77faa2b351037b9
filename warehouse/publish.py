"""core, mart → published: bringing the databases of a state to what the warehouse holds, by what changed since.

A state knows of itself after which load it was made and which batches it holds. Rows of facts come and go by batch,
periods by entity, other tables by parts of which the fingerprint differs. What does not belong to a state that this
warehouse made is filled from nothing, by the same steps.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import duckdb

from pipelines.contracts.model import Contracts, Type
from pipelines.durable import naming_full_disk
from pipelines.errors import StoreError
from warehouse.filling import WarehousePrints, export, fill, note_prints, noted_prints
from warehouse.models import load_views
from warehouse.state_tables import MASKS, PRINTS, VIEWS, Table, make_tables, tables_of
from warehouse.statements import literal
from warehouse.states import MASKED, PRIVATE, begin_state, drop_unfinished, finish_state
from warehouse.store import attach
from warehouse.views import make_views

_MOBILE = ("(^|[^0-9])(1[3-9][0-9])[0-9]{{4}}([0-9]{{4}})($|[^0-9])", "\\1\\2****\\3\\4")


def _without_numbers(value: str) -> str:
    """A text with numbers of people hidden in it, in SQL; ids, which one letter begins, plan codes and stems stay.

    In this order: ID numbers; mobile numbers, whatever stands before them; access names (BBD, TVS, IOT and the like);
    others, a country's code before them or not.
    """
    for pattern, shown in (
        ("[0-9]{{17}}[0-9Xx]", "****"),
        _MOBILE,
        _MOBILE,  # the next one: a match takes the character after it too, which may be all that parts the two
        ("([A-Za-z]{{2,}})[0-9]{{3,}}([0-9]{{4}})", "\\1****\\2"),
        ("(^|[^0-9A-Za-z_])([0-9+]{{3}})[0-9]{{3,}}([0-9]{{4}})", "\\1\\2****\\3"),
    ):
        value = f"regexp_replace({value}, '{pattern}', '{shown}', 'g')"
    return f"case when length({{0}}) >= 9 then {value} else {{0}} end"


# How a value of personal data is shown to whoever may not see it; NULL stays NULL.
_MASKS = {
    "phone": "case when length({0}) >= 8 then left({0}, 3) || '****' || right({0}, 4) else left({0}, 1) || '****' end",
    "number": _without_numbers("{0}"),
    "name": "left({0}, 1) || '*'",
    "email": "left({0}, 1) || '***' || substr({0}, strpos({0}, '@'))",
    "hidden": "null",
}
_log = logging.getLogger(__name__)


def write_state(
    connection: duckdb.DuckDBPyConnection,
    contracts: Contracts,
    bi: Path,
    name: str,
    *,
    add: Callable[[Path], None] | None = None,
) -> Path:
    """Make the databases and Parquet files of the next state; it stands in `bi/states/NAME`, not yet shown.

    `add` is given its directory before it is finished, for what else is to appear with it; files that stand there may
    be those of another state too, and are replaced, never written to.
    Raises StoreError where there is no room for it; then nothing of it is left.
    """
    try:
        with naming_full_disk(f"{bi}: the next state cannot be written"):
            making = begin_state(bi, lambda state: _is_near(connection, state))
            prints = WarehousePrints(connection)
            with ThreadPoolExecutor(1) as threads:
                masked = tables_of(connection, contracts, _masks(contracts))
                stale = _write(connection, masked, prints, making / MASKED)
                # While the other database is written, which keeps one core idle for most of its time.
                exported = threads.submit(_export, connection.cursor(), masked, stale, making)
                _write(connection, tables_of(connection, contracts, {}), prints, making / PRIVATE)
                exported.result()
            if add:
                add(making)
            finish_state(making, name)
    except StoreError:
        drop_unfinished(bi)  # the disk may be full; what was published before stands
        raise
    return bi / "states" / name


def _is_near(connection: duckdb.DuckDBPyConnection, state: Path) -> bool:
    """Whether all that was built since a state was renewed alone, so that it is brought on by what is noted of that."""
    ((whole_no,),) = connection.execute("select max(whole_no) from ops.built").fetchall()
    try:
        with duckdb.connect(str(state / MASKED), read_only=True) as other:
            return whole_no is not None and other.execute(
                "select coalesce(max(build_no), 0) >= $whole_no from ops.built", {"whole_no": whole_no}
            ).fetchall() == [(True,)]
    except duckdb.Error:  # of an older release, or damaged; whoever takes it finds out
        return False


def _export(
    connection: duckdb.DuckDBPyConnection, tables: list[Table], stale: dict[str, set[str]], directory: Path
) -> None:
    try:
        with connection:
            export(connection, tables, stale, directory)
    except duckdb.Error as error:
        raise StoreError(f"{directory}: the next state cannot be written: {_said(error)}") from error


def _write(
    connection: duckdb.DuckDBPyConnection, tables: list[Table], prints: WarehousePrints, path: Path
) -> dict[str, set[str]]:
    """Bring a database of a state on; returns which parts of which tables have other rows now."""
    try:
        return _bring_on(connection, tables, prints, path)
    except (duckdb.Error, StoreError) as error:
        _log.warning("%s: is written anew, for it cannot be brought on: %s", path, _said(error))
        _remove(path)
        try:
            return _bring_on(connection, tables, prints, path)
        except duckdb.Error as again:
            raise StoreError(f"{path}: the next state cannot be written: {_said(again)}") from again


def _said(error: Exception) -> str:
    """What DuckDB says, in one line: the cause may stand in its last."""
    return " ".join(str(error).split())


def _remove(database: Path) -> None:
    database.unlink(missing_ok=True)
    database.with_name(f"{database.name}.wal").unlink(missing_ok=True)


def _bring_on(
    connection: duckdb.DuckDBPyConnection, tables: list[Table], prints: WarehousePrints, path: Path
) -> dict[str, set[str]]:
    masks = {f"{table.name}.{column}": mask for table in tables for column, mask in table.masks.items()}
    try:
        attach(connection, path, "state")
        if not _is_ours(connection, masks):
            connection.execute("detach state")
            _remove(path)
            attach(connection, path, "state")
        connection.execute("begin")  # once: nobody sees what is made here before its end, and a commit takes a while
        empty = make_tables(connection, tables)
        stale = fill(connection, tables, empty, prints)
        note_prints(connection, {MASKS: {"": (len(masks), _print_of(masks))}})
        _copy_comments(connection)
        _make_views(connection, tables)
        connection.execute("commit")
        connection.execute("checkpoint state")
    except BaseException:
        with suppress(duckdb.Error):  # there may be none; what is there is removed
            connection.execute("rollback")
        with suppress(duckdb.Error):  # where the disk is full it cannot be closed well either
            connection.execute("detach database if exists state")
        raise
    connection.execute("detach state")
    return stale


def _is_ours(connection: duckdb.DuckDBPyConnection, masks: dict[str, str]) -> bool:
    """Whether the database is of this warehouse as it was before, by the masks of now.

    A warehouse that was put back from a copy has other loads by the same numbers: it does not know of what was
    published after that copy.
    """
    if not connection.execute(
        "from duckdb_tables() where database_name = 'state' and table_name = 'state_part'"
    ).fetchall():
        return False
    return connection.execute(
        f"""
        select count(*) = 1 from state.ops.load_state as theirs
        inner join ops.load_state as ours using (warehouse_id)
        where theirs.load_no <= ours.load_no
            and (select max(print) from state.{PRINTS} where table_name = $masks) = $print
            and not exists (
                from (from state.ops.publication order by published_at desc limit 1)
                anti join ops.publication using (publication_id, published_at)
            )
        """,
        {"masks": MASKS, "print": _print_of(masks)},
    ).fetchall() == [(True,)]


def _make_views(connection: duckdb.DuckDBPyConnection, tables: list[Table]) -> None:
    """The views for BI tools, unless the state has them already: saying what their columns are takes a while."""
    wanted = {"": (len(tables), hashlib.sha256(repr((load_views(), tables)).encode()).hexdigest())}
    if noted_prints(connection).get(VIEWS) != wanted:
        make_views(connection, "state")
        note_prints(connection, {VIEWS: wanted})


def _print_of(masks: dict[str, str]) -> str:
    return hashlib.sha256(repr(sorted(masks.items())).encode()).hexdigest()


def _masks(contracts: Contracts) -> dict[str, str]:
    """How each column of personal data is shown: by its name, for models carry columns of contracts along.

    Other text of a feed is as its producer wrote it, so no number is shown in it either: by table and name.
    """
    masks = {}
    for contract in contracts.feeds:
        for column in contract.stored_columns:
            if column.mask is not None:
                masks[column.name] = _MASKS[column.mask].format(column.name)
            elif column.type is Type.TEXT:
                masks[f"core.{contract.table}.{column.name}"] = _MASKS["number"].format(column.name)
    return masks


def _copy_comments(connection: duckdb.DuckDBPyConnection) -> None:
    """What contracts and models say of tables and columns, for readers too."""
    ours, theirs = (_comments(connection, database) for database in ("warehouse", "state"))
    statements = []
    for (kind, schema, name), comment in ours.items():
        is_shown = (kind, schema, name) in theirs
        if is_shown and theirs[kind, schema, name] != comment:
            text = "null" if comment is None else literal(comment)
            statements.append(f"comment on {kind} state.{schema}.{name} is {text};")
    connection.execute("\n".join(statements))


def _comments(connection: duckdb.DuckDBPyConnection, database: str) -> dict[tuple[str, str, str], str | None]:
    rows = connection.execute(
        """
        select 'table', schema_name, table_name, comment from duckdb_tables() where database_name = $database
        union all
        select 'column', schema_name, table_name || '.' || column_name, comment from duckdb_columns() as each
        semi join duckdb_tables() as kept using (database_name, schema_name, table_name)
        where database_name = $database
        """,
        {"database": database},
    ).fetchall()
    return {(kind, schema, name): comment for kind, schema, name, comment in rows}
