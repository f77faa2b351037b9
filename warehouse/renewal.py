"""core → mart for what loads changed: a small build of the subscribers and customers that they touch, of no others.

Rows of most tables (`entity` in a model's header) rest on a subscriber, its customer and who belongs to that alone. So
the same models are run in a database in memory beside the warehouse, which holds the rows of core of these families
and nobody else's, and what differs is put in the place of what was there. Other tables are made anew where anything
that they read changed. What comes out is what a whole build would make.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date

import duckdb

from pipelines.contracts.model import Contracts
from pipelines.faults import fault_point
from pipelines.policy import Policy
from warehouse.build import (
    BuildResult,
    Built,
    BuiltModel,
    Parameters,
    begin_build,
    bill_months_of,
    building,
    known_sources,
    last_built,
    made_by,
    make_models,
    needed,
    note_built,
)
from warehouse.models import GIVEN, Model, load_models, part_column
from warehouse.statements import any_rows
from warehouse.touched import OF_USERS, TOUCHED, find_families, find_touched

_WHOLE = "''"  # the part of a row in a table that is not kept in parts
_UNKNOWN = "(user_id is null or user_id not in (select user_id from warehouse.mart.subscriber))"
# What of core the small build reads; all else as it is. Rows of nobody known count in a row of their own, which is made
# anew every time. A reversal may name another subscriber than the payment that it reverses.
_OWN = {
    "core.customer": "customer_id in (from touched_customer)",
    "core.subscriber": OF_USERS,
    "core.bill": OF_USERS,
    "core.usage": OF_USERS,
    "core.payment": f"{OF_USERS} or reversed_payment_id in "
    f"(select payment_id from warehouse.core.payment where {OF_USERS})",
    "core.contact": f"{OF_USERS} or {_UNKNOWN}",
    "core.work_order": f"""
        work_order_id in (
            select work_order_id from warehouse.core.work_order where {OF_USERS}
            union
            select work_order_id from warehouse.core.work_order, warehouse.mart.horizon
            where valid_from < end_at and (valid_to is null or valid_to >= end_at) and {_UNKNOWN}
        )
    """,
}


def renew(
    connection: duckdb.DuckDBPyConnection,
    contracts: Contracts,
    policy: Policy,
    as_of: date,
    bill_month: str | None = None,
) -> BuildResult | None:
    """Bring the marts at hand to what core holds by now, for the day, bill month and policy they were made for.

    None, and nothing done: they were made for others, or so much changed, or what changed is no longer known, that
    only a build of all does. Raises StoreError naming a model that cannot be made.
    """
    sources = known_sources(connection)
    wanted = Built(as_of, bill_month, made_by(connection, policy, sources))
    last = last_built(connection)
    if last is None or Built(last.as_of, last.bill_month, last.made_by) != wanted:
        return None
    changed = find_touched(connection, contracts, last)
    if changed is None or not find_families(connection):
        return None
    parameters: Parameters = {"as_of": as_of, "bill_month": bill_month}
    models = load_models()
    by_entity = [model for model in models if model.entity]
    with _beside(connection, models):
        begin_build(connection, policy, sources)
        small = needed(models, {model.name for model in by_entity})
        tuple(make_models(connection, small, parameters))
        if not _rests_on_the_same(connection, models, small):
            return None
        connection.execute("use warehouse")
        with building(connection):
            made = [
                *_exchange_all(connection, by_entity, changed),
                *_make_stale(connection, models, changed, parameters),
            ]
            note_built(connection, wanted, is_whole=False)
            fault_point("build")
    ((count,),) = connection.execute("select count(*) from touched_user").fetchall()
    return BuildResult(as_of, bill_months_of(connection), tuple(made), renewed=count)


@contextmanager
def _beside(connection: duckdb.DuckDBPyConnection, models: Iterable[Model]) -> Iterator[None]:
    """A database `small` in memory, in use, with those rows of core that bear on who is touched."""
    connection.execute("attach ':memory:' as small")
    try:
        connection.execute("use small")
        tables = connection.execute(
            """
            select schema_name || '.' || table_name from duckdb_tables()
            where database_name = 'warehouse'
                and schema_name in ('core', 'ops', 'list') and not ends_with(table_name, '_record')
            """
        ).fetchall()
        for schema in ("core", "ops", "list"):
            connection.execute(f"create schema {schema}")
        for (table,) in tables:
            if table in _OWN:
                read = ", ".join(_columns_read(connection, table, models))
                connection.execute(f"create table {table} as select {read} from warehouse.{table} where {_OWN[table]}")
            elif table.startswith(("core.", "ops.")):
                connection.execute(f"create view {table} as from warehouse.{table}")
            elif table in GIVEN:
                kept = "where service_number in (from touched_number)" if table != "list.recalled" else ""
                connection.execute(f"create table {table} as from warehouse.{table} {kept}")
        yield
    finally:
        connection.execute("use warehouse")
        connection.execute("detach small")


def _columns_read(connection: duckdb.DuckDBPyConnection, table: str, models: Iterable[Model]) -> list[str]:
    """The columns that the models which read a table may name: to copy the others takes as long again."""
    words = {word for model in models if table in model.reads for word in re.findall(r"\w+", model.sql)}
    columns = [column for (column, *_) in connection.execute(f"describe warehouse.{table}").fetchall()]
    return [column for column in columns if column in words] or columns


def _rests_on_the_same(connection: duckdb.DuckDBPyConnection, models: Iterable[Model], small: Iterable[Model]) -> bool:
    """Whether what the small build made of cycles and policy alone is what the marts at hand were made from."""
    on_core: set[str] = set()
    for model in models:
        if any(table.startswith("core.") or table in on_core for table in model.reads):
            on_core.add(model.name)
    given = (model.name for model in small if model.name not in on_core and not model.is_step)
    return not any(
        any_rows(connection, f"from ({_difference(f'from small.{name}', f'from warehouse.{name}')})") for name in given
    )


def _difference(first: str, second: str) -> str:
    return f"(({first}) except all ({second})) union all (({second}) except all ({first}))"


def _exchange_all(
    connection: duckdb.DuckDBPyConnection, models: Iterable[Model], changed: set[str]
) -> Iterator[BuiltModel]:
    """Put what the small build made of who is touched in the place of what is there; adds to `changed`."""
    for model in models:
        start = time.perf_counter()
        count = _exchange(connection, model)
        if count:
            changed.add(model.name)
            yield BuiltModel(model.name, count, time.perf_counter() - start)


def _exchange(connection: duckdb.DuckDBPyConnection, model: Model) -> int:
    name, entity = model.name, model.entity
    assert entity is not None, "only rows of somebody can be exchanged alone"
    columns = [column for (column, *_) in connection.execute(f"describe warehouse.{name}").fetchall()]
    part = part_column(columns)
    place = f"coalesce({entity}, ''), {part or _WHOLE}"
    touched = f"{entity} in (from {TOUCHED[entity]}) or {entity} is null"
    connection.execute(f"create or replace temp table fresh as from small.{name} where {touched}")
    # Rows by their hash: wide ones are many, and compared whole they cost three times as much.
    connection.execute(
        f"""
        create or replace temp table differing as select distinct entity_id, part from (
            select {place}, hash(row), 1 from fresh as row
            union all
            select {place}, hash(row), -1 from warehouse.{name} as row where {touched}
        ) as found (entity_id, part, row_hash, sign)
        group by entity_id, part, row_hash having sum(sign) <> 0
        """
    )
    if not any_rows(connection, "from differing"):
        return 0
    connection.execute(f"delete from warehouse.{name} where ({place}) in (from differing)")
    rows = f"from fresh where ({place}) in (from differing)"
    ((count,),) = connection.execute(f"insert into warehouse.{name} by name {rows}").fetchall()
    connection.execute(
        """
        insert into warehouse.ops.history_build
        select $name, *, (select coalesce(max(build_no), 0) + 1 from ops.built) from differing
        """,
        {"name": name},
    )
    return max(int(count), 1)


def _make_stale(
    connection: duckdb.DuckDBPyConnection, models: Iterable[Model], changed: set[str], parameters: Parameters
) -> Iterator[BuiltModel]:
    """Make the other tables anew where anything that they read changed; adds to `changed` what came out otherwise."""
    for model in models:
        if model.entity or model.is_step:
            continue
        chain = _with_steps(model, models)
        if not changed & {table for each in chain for table in each.reads}:
            continue
        former = _looks_of(connection, model)
        yield from make_models(connection, chain, parameters)
        if _looks_of(connection, model) != former:
            changed.add(model.name)


def _looks_of(connection: duckdb.DuckDBPyConnection, model: Model) -> list[tuple[int, int]]:
    """Rows of a table and the sum of their hashes."""
    return connection.execute(f"select count(*), sum(hash(row)) from {model.name} as row").fetchall()


def _with_steps(model: Model, models: Iterable[Model]) -> tuple[Model, ...]:
    """A model after the steps that it rests on through steps alone."""
    return needed((each for each in models if each.is_step or each is model), {model.name})
