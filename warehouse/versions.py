"""The version of the warehouse's layout: an older warehouse is brought to this release's, step by step, or refused."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import duckdb

from pipelines.errors import StoreError
from warehouse.statements import transaction

# Of the tables that contracts do not speak of: raise it with every change of theirs that `create table if not exists`
# cannot make, and add the step to migrations/. A warehouse of before it was noted is of version 1.
STORE_VERSION = 4
MIGRATIONS = Path(__file__).parent / "migrations"
log = logging.getLogger(__name__)


def bring_to_version(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Bring the warehouse at hand to STORE_VERSION, in one transaction; a new one is of it from the start.

    The steps are the files of `migrations/`, `NNN_what.sql` for the one that leads to version NNN. Raises StoreError,
    and leaves the warehouse as it was, where no step leads on or where a newer release made it; `path` is for messages.
    """
    found = found_version(connection)
    if found == STORE_VERSION:
        return
    if found is not None and found > STORE_VERSION:
        raise StoreError(
            f"{path}: expected a warehouse of version {STORE_VERSION} or older, found version {found}, made by a newer "
            "release of Tierline; use that one, or put back the copy from before the upgrade "
            "(docs/engineers/deployment.md, 'Going back'); nothing was changed"
        )
    _migrate(connection, [] if found is None else _steps(found, path))
    if found is not None:
        log.warning("%s: the warehouse was brought from version %d to %d", path, found, STORE_VERSION)


def found_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The version of the layout of the database at hand; None where it has no tables of a warehouse yet."""
    with suppress(duckdb.CatalogException):  # asking for the list of tables takes twenty times as long
        version: int = connection.execute("select version from ops.format").fetchall()[0][0]
        return version
    rows = connection.execute(
        "select table_name from duckdb_tables() where database_name = current_database() and schema_name = 'ops'"
    ).fetchall()
    return 1 if ("loaded_batch",) in rows else None


def _steps(found: int, path: Path) -> list[str]:
    """The SQL of the steps from a version on."""
    files = {int(file.name.partition("_")[0]): file for file in MIGRATIONS.glob("[0-9]*_*.sql")}
    wanted = range(found + 1, STORE_VERSION + 1)
    if missing := [number for number in wanted if number not in files]:
        raise StoreError(
            f"{path}: expected a warehouse of version {STORE_VERSION}, found version {found}, from which no step leads "
            f"to version {missing[0]}; make a new one from the archive with 'tierline rebuild --into DIR' and put it "
            "in the place of this one (docs/operators/rebuild.md); nothing was changed"
        )
    return [files[number].read_text(encoding="utf-8") for number in wanted]


def _migrate(connection: duckdb.DuckDBPyConnection, steps: list[str]) -> None:
    with transaction(connection):
        for step in steps:
            connection.execute(step)
        connection.execute("create schema if not exists ops")
        # What an older release made for these contracts need not be what this one makes for them.
        connection.execute("drop table if exists ops.made_for")
        connection.execute("create or replace table ops.format as select $version::integer as version",
                           {"version": STORE_VERSION})  # fmt: skip
