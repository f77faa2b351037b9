"""core → mart: working out every model for an as-of date, all in one transaction."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import duckdb

from pipelines.errors import StoreError, UsageError
from pipelines.faults import fault_point
from pipelines.policy import Policy
from warehouse.comments import comment_given, comment_on
from warehouse.models import FOLDER, Model, load_models
from warehouse.policy_tables import write_policy
from warehouse.statements import transaction

PART_SIZE = 250_000  # subscribers; with 14 months of each the steps stay within 2 GB
# The TIER list as published: the newest full one, what its last increment put into it, and which files they are of.
_GIVEN = """
create table if not exists list.tier_full (
    op varchar, service_number varchar, user_id varchar, tier varchar, reason varchar, priority bigint,
    ivr_entry varchar, skill_group varchar, overflow_group varchar, overflow_after_s bigint, flag varchar,
    valid_from date, source varchar
);
create table if not exists list.tier_increment as from list.tier_full;
create table if not exists list.recalled (stem varchar)
"""
# All that decides what core holds, as one value.
_CORE = """
select concat_ws('|',
    (select concat(count(*), ':', bit_xor(hash(stem, digest))) from ops.loaded_batch),
    (select concat(count(*), ':', bit_xor(hash(feed, source, cycle, ends_at))) from ops.snapshot))
"""

Parameters = dict[str, date | str | int | None]


@dataclass(frozen=True)
class BuiltModel:
    """One table that a build made: its rows, and the seconds it took."""

    name: str
    rows: int
    seconds: float


@dataclass(frozen=True)
class BuildResult:
    """What a build was for and made; `bill_months` has the last closed month (YYYYMM) of every source that has one.

    `renewed` is the number of subscribers whose rows were made anew; None: everything was.
    """

    as_of: date
    bill_months: dict[str, str]
    models: tuple[BuiltModel, ...]
    renewed: int | None = None


def build(
    connection: duckdb.DuckDBPyConnection,
    policy: Policy,
    as_of: date,
    bill_month: str | None = None,
    *,
    only: Iterable[str] | None = None,
) -> BuildResult:
    """Make the tables of `policy`, `mart` and `list` anew from core and the cycles, as they stand at the end of a day.

    `as_of` is a day in Asia/Shanghai, `bill_month` (YYYYMM) the last closed month of all sources in place of what the
    cycles say. The same core, day and policy give the same tables. Either all of them are replaced or none; with `only`
    just these, the last closed months and what they rest on, without comments. Raises UsageError for a bill month that
    is no month, StoreError naming a model that cannot be made.
    """
    require_month(bill_month)
    parameters: Parameters = {"as_of": as_of, "bill_month": bill_month}
    with building(connection):
        sources = known_sources(connection)
        begin_build(connection, policy, sources)
        chosen = load_models() if only is None else needed(load_models(), {*only, "mart.bill_month"})
        models = tuple(make_models(connection, chosen, parameters))
        bill_months = bill_months_of(connection)
        if only is None:
            note_built(connection, Built(as_of, bill_month, made_by(connection, policy, sources)), is_whole=True)
            comment_built(connection, chosen)
            fault_point("build")
    return BuildResult(as_of, bill_months, models)


@contextmanager
def building(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A transaction in which models are made: no model has an order, and without one writing goes in parallel."""
    connection.execute("set preserve_insertion_order = false")
    try:
        with transaction(connection):
            yield
    finally:
        connection.execute("reset preserve_insertion_order")


def begin_build(connection: duckdb.DuckDBPyConnection, policy: Policy, sources: list[str]) -> None:
    """What models find in the database in use, but for core and the cycles."""
    for schema in ("policy", "mart"):
        connection.execute(f"create schema if not exists {schema}")
    make_given(connection)
    write_policy(connection, policy, sources)


def made_by(connection: duckdb.DuckDBPyConnection, policy: Policy, sources: list[str]) -> str:
    """A fingerprint of all that marts rest on but core, cycles and the as-of date.

    That is policy and sources, contracts with their code lists, and what this release makes of them.
    """
    contracts = connection.execute("from ops.made_for").fetchall()
    digest = hashlib.sha256(repr((policy, sorted(sources), contracts)).encode())
    for path in sorted(path for path in FOLDER.rglob("*") if path.suffix in (".py", ".sql")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def bill_months_of(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The last closed month (YYYYMM) of every source that has one, in the marts at hand."""
    return dict(connection.execute("select source, bill_month from mart.bill_month order by 1").fetchall())


def make_given(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables in schema `list` that models read and publications fill, empty where they are not there yet."""
    connection.execute("create schema if not exists list")
    connection.execute(_GIVEN)


@dataclass(frozen=True)
class Built:
    """What marts are made for: an as-of date, a bill month that was set by hand, and a policy with models."""

    as_of: date
    bill_month: str | None
    made_by: str


@dataclass(frozen=True)
class LastBuilt(Built):
    """What the marts at hand were made for, after which load; not `is_current`: core holds other batches by now."""

    load_no: int
    is_current: bool


def last_built(connection: duckdb.DuckDBPyConnection) -> LastBuilt | None:
    """What the last build was for, or None where there was none."""
    if not connection.execute("from duckdb_tables() where schema_name = 'ops' and table_name = 'built'").fetchall():
        return None
    rows = connection.execute(f"select as_of, bill_month, made_by, load_no, core = ({_CORE}) from ops.built").fetchall()
    return LastBuilt(*rows[0]) if rows else None


def note_built(connection: duckdb.DuckDBPyConnection, built: Built, *, is_whole: bool) -> None:
    """Note within the transaction of a build what it was for. A whole one forgets what those before it renewed."""
    ((build_no, whole_no),) = connection.execute(
        "select coalesce(max(build_no), 0) + 1, max(whole_no) from ops.built"
    ).fetchall()
    connection.execute("delete from ops.built")
    connection.execute(
        f"""
        insert into ops.built by name
        select
            $as_of as as_of, $bill_month as bill_month, ({_CORE}) as core, load_no, $made_by as made_by,
            $build_no as build_no, $whole_no as whole_no
        from ops.load_state
        """,
        vars(built) | {"build_no": build_no, "whole_no": build_no if is_whole else whole_no},
    )
    if is_whole:
        connection.execute("delete from ops.history_build")


def make_models(
    connection: duckdb.DuckDBPyConnection, models: tuple[Model, ...], parameters: Parameters
) -> Iterator[BuiltModel]:
    """Make these models in the database in use, within the transaction at hand; steps go again at the end."""
    for by_part, group in groupby(models, key=lambda model: model.by_part):
        if by_part:
            yield from _make_parts(connection, list(group), parameters)
        else:
            yield from (_make(connection, model, parameters, is_first=True) for model in group)
    for model in models:
        if model.is_step:
            connection.execute(f"drop table temp.{model.name}")


def require_month(bill_month: str | None) -> None:
    """Raises UsageError for a bill month that is none."""
    if bill_month is not None and not re.fullmatch(r"[12][0-9]{3}(0[1-9]|1[0-2])", bill_month):
        raise UsageError(f"bill month {bill_month!r}: expected a month such as 202611")


def comment_built(connection: duckdb.DuckDBPyConnection, models: Iterable[Model]) -> None:
    """Say in the database of the tables that were made, and their columns, what they hold."""
    comment_given(connection)  # before the models: they carry columns of the policy along
    comment_on(connection, *(model for model in models if not model.is_step))


def needed(models: Iterable[Model], names: set[str]) -> tuple[Model, ...]:
    """The models of these names and all that they rest on, in their order."""
    found: list[Model] = []
    for model in reversed(list(models)):
        if model.name in names:
            names |= {*model.reads}
            found.append(model)
    return tuple(reversed(found))


def _make_parts(
    connection: duckdb.DuckDBPyConnection, models: list[Model], parameters: Parameters
) -> Iterator[BuiltModel]:
    """Runs the models part by part, so that memory depends on the size of a part and not on all subscribers."""
    count = connection.execute("select count(*) from mart.subscriber").fetchall()[0][0]
    made: list[BuiltModel] = []
    for first_no in range(1, max(count, 1) + 1, PART_SIZE):
        part = parameters | {"first_no": first_no, "last_no": first_no + PART_SIZE - 1}
        made.extend(_make(connection, model, part, is_first=first_no == 1) for model in models)
    for model in models:
        parts = [each for each in made if each.name == model.name]
        yield BuiltModel(model.name, sum(each.rows for each in parts), sum(each.seconds for each in parts))


def _make(connection: duckdb.DuckDBPyConnection, model: Model, parameters: Parameters, is_first: bool) -> BuiltModel:
    start = time.perf_counter()
    used = {name: value for name, value in parameters.items() if name in model.parameters}
    create = f"create or replace {'temp ' if model.is_step else ''}table {model.name} as"
    verb = create if is_first or model.is_step else f"insert into {model.name}"
    try:
        rows = connection.execute(f"{verb} {model.sql}", used).fetchall()[0][0]
    except duckdb.Error as error:
        raise StoreError(f"model {model.name}: {error}") from error
    return BuiltModel(model.name, rows, time.perf_counter() - start)


def known_sources(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The sources that core or a cycle names."""
    rows = connection.execute(
        """
        select source from ops.cycle
        union select source from core.subscriber
        union select source from core.customer
        union select source from core.bill
        """
    ).fetchall()
    return [source for (source,) in rows]
