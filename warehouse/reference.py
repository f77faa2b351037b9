"""Reference tables of core that come from neither a feed nor a code list: `core.date` and `core.plan`."""

from __future__ import annotations

import duckdb
import polars as pl

from pipelines.contracts.model import Contracts
from warehouse.comments import comment_on
from warehouse.models import load_reference
from warehouse.statements import transaction

CALENDAR, PLANS = "core.date", "core.plan"
_PLAN_TITLES = "plan"  # the code list of an installation that names its plans


def make_calendar(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `core.date`, which rests on nothing. Grain: a day."""
    model = load_reference(CALENDAR)
    connection.execute(f"create or replace table {CALENDAR} as {model.sql} order by all")
    comment_on(connection, model)


def refresh_plans(connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
    """Bring `core.plan` to what core and the contracts say; a table that says it already is left alone.

    Grain: a plan code that a record or a current plan change has, with its titles where the installation has a code
    list `plan`. It is replaced whole or not at all, so call it outside a transaction. With nothing new it reads one
    compressed column of the records and the plan changes: 20 ms at 5 M of each.
    """
    model = load_reference(PLANS)
    connection.register("incoming", plan_titles(contracts))
    connection.execute("create or replace temp table plan_title as select * from incoming")
    connection.unregister("incoming")
    connection.execute(f"create or replace temp table plan_now as {model.sql}")
    if not _is_as_now(connection):
        with transaction(connection):
            connection.execute(f"create or replace table {PLANS} as select * from plan_now order by all")
            comment_on(connection, model)
    connection.execute("drop table temp.plan_now")
    connection.execute("drop table temp.plan_title")


def plan_titles(contracts: Contracts) -> pl.DataFrame:
    """What the model of plans reads as `plan_title`: the installation's titles (code, title_en, title_zh)."""
    codes = [code for each in contracts.code_lists if each.name == _PLAN_TITLES for code in each.codes]
    rows = [[code.value, code.title_en, code.title_zh] for code in codes]
    return pl.DataFrame(rows, schema=dict.fromkeys(("code", "title_en", "title_zh"), pl.String), orient="row")


def _is_as_now(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the plans are there and are those of `plan_now`, no more and no fewer."""
    try:
        there = connection.execute(f"describe {PLANS}").fetchall()
    except duckdb.CatalogException:
        return False
    if there != connection.execute("describe plan_now").fetchall():
        return False
    theirs, ours = (
        connection.execute(f"select count(*), bit_xor(hash(each)) from {table} as each").fetchall()
        for table in (PLANS, "plan_now")
    )
    return theirs == ours
