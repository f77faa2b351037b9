"""core → mart for what loads changed: a small build of the subscribers and customers that they touch, of no others.

Rows of most tables (`entity` in a model's header) rest on a subscriber, its customer and who belongs to that alone. So
the same models are run in a database in memory beside the warehouse, which holds the rows of core of these families
and nobody else's, and what differs is put in the place of what was there. Other tables are made anew where anything
that they read changed. What comes out is what a whole build would make.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date

import duckdb

from pipelines.contracts.model import Contract, Contracts
from pipelines.faults import fault_point
from pipelines.policy import Policy
from warehouse.build import (
    BuildResult,
    Built,
    BuiltModel,
    LastBuilt,
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
from warehouse.changes import changed_since, owners_of, users_of
from warehouse.models import GIVEN, Model, load_models, part_column

# Above this share of the subscribers a whole build takes about the same time.
_MOST_SHARE = 0.15
_TOUCHED = {"user_id": "touched_user", "customer_id": "touched_customer", "service_number": "touched_number"}
_WHOLE = "''"  # the part of a row in a table that is not kept in parts
_OF_USERS = "user_id in (from touched_user)"
_UNKNOWN = "(user_id is null or user_id not in (select user_id from warehouse.mart.subscriber))"
# What of core the small build reads; all else as it is. Rows of nobody known count in a row of their own, which is made
# anew every time. A reversal may name another subscriber than the payment that it reverses.
_OWN = {
    "core.customer": "customer_id in (from touched_customer)",
    "core.subscriber": _OF_USERS,
    "core.bill": _OF_USERS,
    "core.usage": _OF_USERS,
    "core.payment": f"{_OF_USERS} or reversed_payment_id in "
    f"(select payment_id from warehouse.core.payment where {_OF_USERS})",
    "core.contact": f"{_OF_USERS} or {_UNKNOWN}",
    "core.work_order": f"""
        work_order_id in (
            select work_order_id from warehouse.core.work_order where {_OF_USERS}
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
    changed = _find_touched(connection, contracts, last)
    if changed is None or not _find_families(connection):
        return None
    parameters: Parameters = {"as_of": as_of, "bill_month": bill_month}
    models = load_models()
    by_entity = [model for model in models if model.entity]
    with _beside(connection):
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


def _find_touched(connection: duckdb.DuckDBPyConnection, contracts: Contracts, last: LastBuilt) -> set[str] | None:
    """Temp tables `touched_…`: on whom the changes since the last build bear; returns the tables of core that changed.

    None: that is no longer known.
    """
    for table in _TOUCHED.values():
        connection.execute(f"create or replace temp table {table} (entity_id varchar)")
    connection.execute(
        "create or replace temp table come as select stem, feed from ops.loaded_batch where load_no > $load_no",
        {"load_no": last.load_no},
    )
    tables = {"ops.batch", "ops.cycle"}  # copied from the ledger before every build
    for contract in contracts.feeds:
        if not changed_since(connection, owners_of(contract.table), last.load_no):
            return None
        _add(connection, "user_id", "select entity_id from changed")
        if not changed_since(connection, contract.table, last.load_no):
            return None
        for entity, query in _touched_by(contract):
            _add(connection, entity, query)
        if _any(connection, "from changed") or _any(connection, f"from come where feed = '{contract.feed}'"):
            tables.add(f"core.{contract.table}")
    return tables


def _touched_by(contract: Contract) -> Iterator[tuple[str, str]]:
    """Queries for those on whom bears what changed in a feed's table (temp tables `changed` and `come`)."""
    table, columns = f"core.{contract.table}", {column.name for column in contract.stored_columns}
    if not contract.stateful:
        yield "user_id", "select entity_id from changed"
        come = f"from {table} where batch_stem in (select stem from come where feed = '{contract.feed}')"
        if users := users_of(contract, come):
            yield "user_id", users
    elif contract.entity_key in _TOUCHED:
        yield contract.entity_key, "select entity_id from changed"
    elif "user_id" in columns:
        entities = f"from {table} where {contract.entity_key} in (from changed)"
        yield "user_id", f"select user_id {entities}"
        if "contact_id" in columns:  # a contact is followed up unless a work order names it
            former = f"select contact_id from mart.work_order_state where {contract.entity_key} in (from changed)"
            named = f"select contact_id {entities} union {former}"
            yield "user_id", f"select user_id from core.contact where contact_id in ({named})"


def _add(connection: duckdb.DuckDBPyConnection, entity: str, query: str) -> int:
    """Put into `touched_…` what a query finds and it has not yet; how many that were."""
    table = _TOUCHED[entity]
    new = f"select distinct * from ({query}) as found (entity_id) where entity_id is not null"
    ((count,),) = connection.execute(f"insert into {table} {new} and entity_id not in (from {table})").fetchall()
    return int(count)


def _any(connection: duckdb.DuckDBPyConnection, rows: str) -> bool:
    return bool(connection.execute(f"select 1 {rows} limit 1").fetchall())


def _find_families(connection: duckdb.DuckDBPyConnection) -> bool:
    """Add to `touched_…` all that share a customer, a number or a work order, and so on; False: these are too many."""
    connection.execute(
        """
        create or replace temp table numbered as
        select user_id, service_number from mart.subscriber_state where status <> '9'
        union
        select user_id, service_number from core.subscriber, mart.horizon
        where status <> '9' and valid_from < end_at and (valid_to is null or valid_to >= end_at)
        """
    )
    queries = (
        ("customer_id", f"select customer_id from core.subscriber where {_OF_USERS}"),
        ("customer_id", f"select customer_id from mart.subscriber_state where {_OF_USERS}"),
        ("user_id", "select user_id from core.subscriber where customer_id in (from touched_customer)"),
        ("service_number", f"select service_number from numbered where {_OF_USERS}"),
        ("user_id", "select user_id from numbered where service_number in (from touched_number)"),
        ("user_id", f"""
            select user_id from core.work_order where work_order_id in (
                select work_order_id from core.work_order
                where {_OF_USERS} or contact_id in (select contact_id from core.contact where {_OF_USERS})
            )
        """),
    )  # fmt: skip
    ((known,),) = connection.execute("select count(*) from mart.subscriber").fetchall()
    while True:
        ((touched,),) = connection.execute("select count(*) from touched_user").fetchall()
        if touched > _MOST_SHARE * known:
            return False
        if not sum([_add(connection, entity, query) for entity, query in queries]):
            return True


@contextmanager
def _beside(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
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
                connection.execute(f"create table {table} as from warehouse.{table} where {_OWN[table]}")
            elif table.startswith(("core.", "ops.")):
                connection.execute(f"create view {table} as from warehouse.{table}")
            elif table in GIVEN:
                kept = "where service_number in (from touched_number)" if table != "list.recalled" else ""
                connection.execute(f"create table {table} as from warehouse.{table} {kept}")
        yield
    finally:
        connection.execute("use warehouse")
        connection.execute("detach small")


def _rests_on_the_same(connection: duckdb.DuckDBPyConnection, models: Iterable[Model], small: Iterable[Model]) -> bool:
    """Whether what the small build made of cycles and policy alone is what the marts at hand were made from."""
    on_core: set[str] = set()
    for model in models:
        if any(table.startswith("core.") or table in on_core for table in model.reads):
            on_core.add(model.name)
    given = (model.name for model in small if model.name not in on_core and not model.is_step)
    return not any(
        _any(connection, f"from ({_difference(f'from small.{name}', f'from warehouse.{name}')})") for name in given
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
    touched = f"{entity} in (from {_TOUCHED[entity]}) or {entity} is null"
    connection.execute(f"create or replace temp table fresh as from small.{name} where {touched}")
    differing = _difference("from fresh", f"from warehouse.{name} where {touched}")
    connection.execute(f"create or replace temp table differing as select distinct {place} from ({differing}) as found")
    if not _any(connection, "from differing"):
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
        is_read = any(model.name in other.reads for other in models)
        if is_read:
            connection.execute(f"create or replace temp table former as from {model.name}")
        yield from make_models(connection, chain, parameters)
        if is_read and _any(connection, f"from ({_difference('from former', f'from {model.name}')})"):
            changed.add(model.name)


def _with_steps(model: Model, models: Iterable[Model]) -> tuple[Model, ...]:
    """A model after the steps that it rests on through steps alone."""
    return needed((each for each in models if each.is_step or each is model), {model.name})
