"""published state → trial: the models on what readers get, for any day, policy or customers; nothing is written.

A trial is a database in memory beside the published state, which is attached read-only as `state`: schemas `core` and
`ops` show the state's tables, `policy` and `mart` are built from them as the warehouse's are. So no trial waits for a
load. What is masked in the state decides no tier, warning, class, value or KPI; it would matter to calls and lists,
and these are not made here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.errors import StoreError, UsageError
from pipelines.policy import Policy
from warehouse.build import BuildResult, build
from warehouse.policy_tables import write_policy
from warehouse.statements import literal
from warehouse.store import MEMORY_MB

# What a customer's marts rest on, in rows of its subscribers alone. A reversal may name another subscriber than the
# payment that it reverses, a later record of a work order another than the one before.
_OWN = {
    "core.customer": "customer_id in (from trial_customer)",
    "core.subscriber": "user_id in (from trial_user)",
    "core.bill": "user_id in (from trial_user)",
    "core.usage": "user_id in (from trial_user)",
    "core.contact": "user_id in (from trial_user)",
    "core.payment": "user_id in (from trial_user) or reversed_payment_id in "
    "(select payment_id from state.core.payment where user_id in (from trial_user))",
    "core.work_order": "work_order_id in "
    "(select work_order_id from state.core.work_order where user_id in (from trial_user))",
}


@dataclass(frozen=True)
class PublishedState:
    """The state at hand, attached as `state`, and what its marts were built for."""

    connection: duckdb.DuckDBPyConnection
    as_of: date
    bill_month: str | None

    def holds(self, policy: Policy, as_of: date, bill_month: str | None) -> bool:
        """Whether the state's own marts are those of this day, bill month and policy."""
        if (as_of, bill_month) != (self.as_of, self.bill_month):
            return False
        sources = [source for (source,) in self.connection.execute("select source from state.policy.source").fetchall()]
        self.connection.execute("use memory")
        write_policy(self.connection, policy, sources)
        return not self.connection.execute(
            "(from policy.parameter except from state.policy.parameter) "
            "union all (from state.policy.parameter except from policy.parameter)"
        ).fetchall()

    def known_between(self, table: str, key: str, entity_id: str) -> tuple[datetime, datetime | None] | None:
        """The begin of the first period that core has of an entity, and the end of the last; None without any."""
        query = f"""
            select min(valid_from), case when bool_and(valid_to is not null) then max(valid_to) end
            from state.core.{table} where {key} = $id
        """
        begin, end = self.connection.execute(query, {"id": entity_id}).fetchall()[0]
        return None if begin is None else (begin, end)


@contextmanager
def open_state(path: Path) -> Iterator[PublishedState]:
    """The published state, for as long as trials are made of it; whatever they do not hold in memory goes with them.

    Raises UsageError where nothing is published yet, StoreError for a state that does not open.
    """
    if not path.exists():
        raise UsageError(f"{path}: nothing is published yet; run 'tierline run' first")
    with tempfile.TemporaryDirectory(prefix="tierline-trial-") as spill, duckdb.connect() as connection:
        connection.execute(f"set memory_limit = '{MEMORY_MB}MB'")
        connection.execute(f"set temp_directory = {literal(spill)}")
        try:
            connection.execute(f"attach {literal(path)} as state (read_only)")
            rows = connection.execute("select as_of, bill_month from state.ops.built").fetchall()
        except duckdb.Error as error:
            raise StoreError(f"{path}: the published state cannot be read: {str(error).splitlines()[0]}") from error
        yield PublishedState(connection, *rows[0])


def make_trial(
    state: PublishedState, name: str, policy: Policy, as_of: date, bill_month: str | None, only: Collection[str]
) -> BuildResult:
    """Build the tables `only` in a database of that name, from all that the state holds; others of mart go again."""
    _begin(state, name, own=())
    result = _build(state, policy, as_of, bill_month, only)
    for table in {model.name for model in result.models if model.name.startswith("mart.")} - {*only, "mart.bill_month"}:
        state.connection.execute(f"drop table {table}")  # a second trial may need the room
    return result


def make_trial_of(
    state: PublishedState,
    name: str,
    policy: Policy,
    as_of: date,
    bill_month: str | None,
    only: Collection[str],
    *,
    user_ids: Iterable[str] = (),
    customer_ids: Iterable[str] = (),
) -> BuildResult:
    """As `make_trial`, but of these customers and subscribers, with whoever ever belonged to the same customers.

    What is told of one subscriber or customer is the same as in a trial of all; what is shared out or averaged over a
    source (the Pareto class, CLV, KPIs) is not.
    """
    parameters = {"users": list(user_ids), "customers": list(customer_ids)}
    state.connection.execute(
        """
        create or replace temp table trial_user as
        with asked as (
            select customer_id from state.core.subscriber where list_contains($users::varchar[], user_id)
            union select unnest($customers::varchar[])
        )
        select distinct user_id from state.core.subscriber where customer_id in (from asked)
        """,
        parameters,
    )
    state.connection.execute(
        """
        create or replace temp table trial_customer as
        select customer_id from state.core.subscriber where user_id in (from trial_user)
        union select unnest($customers::varchar[])
        """,
        {"customers": parameters["customers"]},
    )
    _begin(state, name, own=_OWN)
    return _build(state, policy, as_of, bill_month, only)


def _build(
    state: PublishedState, policy: Policy, as_of: date, bill_month: str | None, only: Collection[str]
) -> BuildResult:
    try:
        return build(state.connection, policy, as_of, bill_month, only=only)
    except StoreError as error:
        raise StoreError(f"{error}; if an older release published the state, 'tierline run' brings it along") from error


def published_values(state: PublishedState) -> dict[str, dict[str, Any]]:
    """CLV and Pareto class that the state's own marts have of the customers of the last `make_trial_of`."""
    rows = state.connection.execute(
        "select customer_id, clv_fen, pareto_class from state.mart.value where customer_id in (from trial_customer)"
    ).fetchall()
    return {customer_id: {"clv_fen": clv, "pareto_class": pareto} for customer_id, clv, pareto in rows}


def _begin(state: PublishedState, name: str, own: Collection[str]) -> None:
    """A database of that name, in use from now on; its core and ops show the state's, `own` are copied in part."""
    state.connection.execute(f"attach ':memory:' as {name} (compress)")
    state.connection.execute(f"use {name}")
    for schema in ("core", "ops"):
        state.connection.execute(f"create schema {schema}")
    tables = state.connection.execute(
        """
        select schema_name || '.' || table_name from duckdb_tables()
        where database_name = 'state' and schema_name in ('core', 'ops') and table_name <> 'built'
        """
    ).fetchall()
    for (table,) in tables:
        if table in own:  # read by many models, so looked for once
            state.connection.execute(f"create table {table} as from state.{table} where {_OWN[table]}")
        else:
            state.connection.execute(f"create view {table} as from state.{table}")
