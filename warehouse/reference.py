"""Reference tables of core that come from neither a feed nor a code list: `core.date` and `core.plan`."""

from __future__ import annotations

from contextlib import suppress

import duckdb
import polars as pl

from pipelines.contracts.model import Contracts
from warehouse.comments import comment_on
from warehouse.models import Model, load_reference

TABLES = ("core.date", "core.plan")
_PLAN_TITLES = "plan"  # the code list of an installation that names its plans


def refresh_reference(connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
    """Bring `core.date` and `core.plan` to what core and the contracts say; a table that says it already is left alone.

    Grain: a day; a plan code that a record or a current plan change has, with its titles where the installation has a
    code list `plan`. Each table is replaced whole or not at all, so call it outside a transaction. With nothing new
    it reads one compressed column of the records and the plan changes: 20 ms at 5 M of each.
    """
    connection.register("incoming", plan_titles(contracts))
    connection.execute("create or replace temp table plan_title as select * from incoming")
    connection.unregister("incoming")
    for name in TABLES:
        refresh(connection, load_reference(name))
    connection.execute("drop table temp.plan_title")


def plan_titles(contracts: Contracts) -> pl.DataFrame:
    """What the model of plans reads as `plan_title`: the installation's titles (code, title_en, title_zh)."""
    codes = [code for each in contracts.code_lists if each.name == _PLAN_TITLES for code in each.codes]
    rows = [[code.value, code.title_en, code.title_zh] for code in codes]
    return pl.DataFrame(rows, schema=dict.fromkeys(("code", "title_en", "title_zh"), pl.String), orient="row")


def refresh(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Bring one table to what its model says, where it says otherwise."""
    connection.execute(f"create or replace temp table reference_now as {model.sql}")
    if not _is_as_now(connection, model.name):
        connection.execute("begin")
        try:
            connection.execute(f"create or replace table {model.name} as select * from reference_now order by all")
            comment_on(connection, model)
            connection.execute("commit")
        except BaseException:
            with suppress(duckdb.TransactionException):  # a failed commit has rolled back by itself
                connection.execute("rollback")
            raise
    connection.execute("drop table temp.reference_now")


def _is_as_now(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether a table is there and holds the rows of `reference_now`, no more and no fewer."""
    schema, name = table.split(".")
    there = "from duckdb_tables() where database_name = current_database() and schema_name = $1 and table_name = $2"
    if not connection.execute(there, [schema, name]).fetchall():
        return False
    columns = f"(select * from (describe {table})) except (select * from (describe reference_now))"
    if connection.execute(columns).fetchall():
        return False
    rows = "select count(*), bit_xor(hash(each)) from {} as each"
    return (
        connection.execute(rows.format(table)).fetchall() == connection.execute(rows.format("reference_now")).fetchall()
    )
