"""Whom changes of core touch: subscribers, customers and numbers, and all who share one of these with them."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from pipelines.contracts.model import Contract, Contracts
from warehouse.build import LastBuilt
from warehouse.changes import changed_since, owners_of, users_of
from warehouse.statements import any_rows

TOUCHED = {"user_id": "touched_user", "customer_id": "touched_customer", "service_number": "touched_number"}
OF_USERS = "user_id in (from touched_user)"
# Above this share of the subscribers a whole build takes about the same time.
_MOST_SHARE = 0.15


def find_touched(connection: duckdb.DuckDBPyConnection, contracts: Contracts, last: LastBuilt) -> set[str] | None:
    """Temp tables `touched_…`: on whom the changes since the last build bear; returns the tables of core that changed.

    None: that is no longer known.
    """
    for table in TOUCHED.values():
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
        if any_rows(connection, "from changed") or any_rows(connection, f"from come where feed = '{contract.feed}'"):
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
    elif contract.entity_key in TOUCHED:
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
    table = TOUCHED[entity]
    new = f"select distinct * from ({query}) as found (entity_id) where entity_id is not null"
    ((count,),) = connection.execute(f"insert into {table} {new} and entity_id not in (from {table})").fetchall()
    return int(count)


def find_families(connection: duckdb.DuckDBPyConnection) -> bool:
    """Add to `touched_…` all that share a customer, a number or a work order, and so on; False: these are too many."""
    # A closed subscriber's number is its own no more; but whom to win back is not called where another has it.
    connection.execute(
        f"""
        create or replace temp table numbered as
        select user_id, service_number from mart.subscriber_state
        where status <> '9' or user_id in (select user_id from mart.call_choice)
        union
        select user_id, service_number from core.subscriber, mart.horizon
        where (status <> '9' or {OF_USERS}) and valid_from < end_at and (valid_to is null or valid_to >= end_at)
        """
    )
    queries = (
        ("customer_id", f"select customer_id from core.subscriber where {OF_USERS}"),
        ("customer_id", f"select customer_id from mart.subscriber_state where {OF_USERS}"),
        ("user_id", "select user_id from core.subscriber where customer_id in (from touched_customer)"),
        ("service_number", f"select service_number from numbered where {OF_USERS}"),
        ("user_id", "select user_id from numbered where service_number in (from touched_number)"),
        ("user_id", f"""
            select user_id from core.work_order where work_order_id in (
                select work_order_id from core.work_order
                where {OF_USERS} or contact_id in (select contact_id from core.contact where {OF_USERS})
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
