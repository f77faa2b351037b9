"""The layer `bi`: views for BI tools in a database of a published state, with what is said of their columns."""

from __future__ import annotations

import duckdb

from pipelines.errors import StoreError
from warehouse.comments import comment_on
from warehouse.models import Model, load_views

SCHEMA = "bi"


def make_views(connection: duckdb.DuckDBPyConnection, database: str) -> None:
    """Make schema `bi` of an attached database hold all views of `warehouse/bi/` whose tables are there, and no others.

    Views show what the tables show, masked or not; comments of columns that they carry along are those that the tables
    have by now. Made anew each time: some tenths of a second at most. Raises StoreError naming a view that
    cannot be made.
    """
    before = connection.execute("select current_database(), current_schema()").fetchall()[0]
    connection.execute(f'use "{database}"')  # a view's tables are looked up where it stands
    try:
        connection.execute(f"create schema if not exists {SCHEMA}")
        tables, views = _names(connection)
        makeable = [view for view in load_views() if tables.issuperset(view.reads)]
        for name in sorted(views - {view.name for view in makeable}):
            connection.execute(f"drop view {name}")
        for view in makeable:
            _make(connection, view)
        if makeable:
            comment_on(connection, *makeable, kind="view")
    finally:
        connection.execute('use "{}"."{}"'.format(*before))


def _make(connection: duckdb.DuckDBPyConnection, view: Model) -> None:
    try:
        connection.execute(f"create or replace view {view.name} as {view.sql}")
    except duckdb.Error as error:
        raise StoreError(f"view {view.name}: {error}") from error


def _names(connection: duckdb.DuckDBPyConnection) -> tuple[set[str], set[str]]:
    """The tables of the database in use, and the views that its schema `bi` has by now."""
    tables, views = (
        {
            f"{schema}.{name}"
            for schema, name in connection.execute(
                f"select schema_name, {kind}_name from duckdb_{kind}s() "
                "where database_name = current_database() and not internal"
            ).fetchall()
        }
        for kind in ("table", "view")
    )
    return tables, {name for name in views if name.startswith(f"{SCHEMA}.")}
