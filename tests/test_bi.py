"""The layer bi on a warehouse that the real command filled: totals of core, keys that join, comments everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from running import make_home, tierline

from pipelines.contracts.load import load_contracts
from pipelines.errors import StoreError
from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province
from warehouse.comments import comment_on
from warehouse.models import GIVEN, load_models, load_views
from warehouse.reference import refresh_plans
from warehouse.store import open_warehouse
from warehouse.views import make_views

NOW = "2026-11-22T12:00:00"
VIEWS = {view.name: view for view in load_views()}
LAYERS = ("core", "mart", "list", "ops", "policy", "bi")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a warehouse with core, marts and bi."""
    work = tmp_path_factory.mktemp("bi")
    make_province(work / "remote", subscribers=200, months=4, days=1, end=datetime.fromisoformat(NOW), seed=3)
    home = make_home(work / "home", Endpoint("file", root=str(work / "remote")))
    for words in (["fetch"], ["load"], ["build", "--as-of", "2026-11-21"], ["publish"]):
        assert tierline(home, *words, now=NOW).exit_status == 0
    contracts = load_contracts()
    with open_warehouse(home / "warehouse", contracts) as connection:
        refresh_plans(connection, contracts)
        make_views(connection, "warehouse")
    return home / "warehouse" / "warehouse.duckdb"


@pytest.fixture
def warehouse(built: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(built), read_only=True) as connection:
        yield connection


def only(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[object, ...]:
    (row,) = connection.execute(query).fetchall()
    return tuple(row)


TOTALS = [
    ("bi.fact_payment", "count(*), sum(amount_fen)", "core.payment where is_current"),
    ("bi.fact_bill", "count(*), sum(total_fen), sum(outstanding_fen)", "core.bill where is_current"),
    ("bi.fact_usage_day", "sum(duration_s), sum(volume_kb), sum(fee_fen)", "core.usage where is_current"),
    ("bi.fact_contact", "count(*), sum(satisfaction)", "core.contact where is_current"),
    ("bi.fact_work_order", "count(*), max(op_time)", "core.work_order where is_current"),
    ("bi.fact_subscriber_month", "count(*), sum(total_fen), sum(data_mb)", "mart.subscriber_month"),
    ("bi.dim_customer", "count(*), max(customer_id)", "core.customer where is_current"),
    ("bi.subscriber_period", "count(*), sum(balance_fen)", "core.subscriber"),
]


@pytest.mark.parametrize(("view", "sums", "source"), TOTALS, ids=[view for view, *_ in TOTALS])
def test_a_view_has_the_totals_of_its_table(
    warehouse: duckdb.DuckDBPyConnection, view: str, sums: str, source: str
) -> None:
    found = only(warehouse, f"select {sums} from {view}")
    assert all(found)
    assert found == only(warehouse, f"select {sums} from {source}")


def test_dimensions_hold_what_stood_when_the_state_was_published(tmp_path: Path) -> None:
    """A change that takes effect later is known already; whoever counts the subscribers of now must not see it."""
    with open_warehouse(tmp_path, load_contracts()) as connection:
        connection.execute(
            """
            insert into ops.publication by name
            select '20261121-000001' as publication_id, timestamp '2026-11-22 12:00' as published_at;
            insert into core.subscriber by name
            select
                'U1' as user_id, col0 as status, cast(col1 as timestamp) as valid_from,
                cast(col2 as timestamp) as valid_to, col2 is null as is_current
            from (values ('1', '2026-01-01', '2026-12-10'), ('9', '2026-12-10', null));
            insert into core.customer by name
            select
                'C1' as customer_id, col0 as address, cast(col1 as timestamp) as valid_from,
                cast(col2 as timestamp) as valid_to, col2 is null as is_current
            from (values ('old', '2026-01-01', '2026-11-22 12:00'), ('new', '2026-11-22 12:00', null));
            """
        )
        make_views(connection, "warehouse")
        assert only(connection, "select user_id, status from bi.dim_subscriber") == ("U1", "1")
        assert only(connection, "select customer_id, address from bi.dim_customer") == ("C1", "new")


def test_usage_is_counted_record_by_record(warehouse: duckdb.DuckDBPyConnection) -> None:
    counted = only(warehouse, "select sum(record_count) from bi.fact_usage_day")
    assert counted == only(warehouse, "select count(*) from core.usage where is_current")
    assert counted > only(warehouse, "select count(*) from bi.fact_usage_day")


@pytest.mark.parametrize("view", [view for view in VIEWS if view != "none"])
def test_the_key_in_the_header_tells_rows_apart(warehouse: duckdb.DuckDBPyConnection, view: str) -> None:
    rows, keys = only(warehouse, f"select count(*), count(distinct ({VIEWS[view].key})) from {view}")
    assert rows
    assert rows == keys


# Every join that the headers state: the fact's column, the dimension's.
JOINS = [
    ("fact_payment", "paid_date", "dim_date", "calendar_date"),
    ("fact_payment", "user_id", "dim_subscriber", "user_id"),
    ("fact_payment", "source", "dim_area", "source"),
    ("fact_bill", "bill_date", "dim_date", "calendar_date"),
    ("fact_bill", "user_id", "dim_subscriber", "user_id"),
    ("fact_bill", "customer_id", "dim_customer", "customer_id"),
    ("fact_usage_day", "usage_date", "dim_date", "calendar_date"),
    ("fact_usage_day", "user_id", "dim_subscriber", "user_id"),
    ("fact_contact", "arrived_date", "dim_date", "calendar_date"),
    ("fact_contact", "user_id", "dim_subscriber", "user_id"),
    ("fact_contact", "tier_served", "dim_tier", "tier"),
    ("fact_work_order", "opened_date", "dim_date", "calendar_date"),
    ("fact_work_order", "closed_date", "dim_date", "calendar_date"),
    ("fact_work_order", "contact_id", "fact_contact", "contact_id"),
    ("fact_subscriber_month", "month_date", "dim_date", "calendar_date"),
    ("fact_subscriber_month", "user_id", "dim_subscriber", "user_id"),
    ("fact_subscriber_month", "customer_id", "dim_customer", "customer_id"),
    ("fact_subscriber_month", "product", "dim_product", "product"),
    ("fact_subscriber_month", "tier", "dim_tier", "tier"),
    ("fact_subscriber_month", "source", "dim_area", "source"),
    ("dim_subscriber", "customer_id", "dim_customer", "customer_id"),
    ("dim_subscriber", "product", "dim_product", "product"),
    ("dim_subscriber", "plan_code", "dim_plan", "plan_code"),
    ("dim_subscriber", "province_code", "dim_area", "area_code"),
    ("subscriber_period", "plan_code", "dim_plan", "plan_code"),
]


@pytest.mark.parametrize(("fact", "column", "dimension", "key"), JOINS)
def test_a_star_join_finds_a_row_for_every_value(
    warehouse: duckdb.DuckDBPyConnection, fact: str, column: str, dimension: str, key: str
) -> None:
    """The generated province has no orphans among these but two in a hundred; no join brings rows twice."""
    before, given = only(warehouse, f"select count(*), count({column}) from bi.{fact}")
    after, found = only(
        warehouse,
        f"select count(*), count(d.{key}) from bi.{fact} f left join bi.{dimension} d on f.{column} = d.{key}",
    )
    assert given
    assert before == after
    assert isinstance(given, int)
    assert isinstance(found, int)
    assert given * 0.95 <= found <= given


def test_payments_by_province_and_weekday_are_those_of_core(warehouse: duckdb.DuckDBPyConnection) -> None:
    by_star = warehouse.execute(
        """
        select a.title_zh, d.weekday_title_zh, sum(p.amount_fen)
        from bi.fact_payment as p
        inner join bi.dim_date as d on d.calendar_date = p.paid_date
        inner join bi.dim_area as a on a.source = p.source
        group by all order by all
        """
    ).fetchall()
    by_hand = warehouse.execute(
        """
        select '北京市', '星期' || substr('一二三四五六日', isodow(paid_at), 1), sum(amount_fen)
        from core.payment where is_current group by all order by all
        """
    ).fetchall()
    assert len(by_star) > 1
    assert by_star == by_hand


def test_every_table_and_column_says_what_it_is_in_both_languages(warehouse: duckdb.DuckDBPyConnection) -> None:
    said = warehouse.execute(
        """
        select schema_name, table_name, '' as column_name, comment from duckdb_tables()
        union all
        select schema_name, view_name, '', comment from duckdb_views() where not internal
        union all
        select schema_name, table_name, column_name, comment from duckdb_columns() where not internal
        """
    ).fetchall()
    told = {(schema, table, column) for schema, table, column, _ in said}
    assert {schema for schema, *_ in told} == set(LAYERS)
    assert ("bi", "fact_payment", "amount_fen") in told
    silent = [
        f"{schema}.{table} {column}"
        for schema, table, column, comment in said
        if f"{schema}.{table}" not in GIVEN  # the build's own memory; readers do not meet it
        and (" / " not in (comment or "") or not any("一" <= letter <= "龥" for letter in comment.split(" / ")[-1]))
    ]
    assert silent == []


def test_a_column_that_is_carried_along_says_what_it_says_where_it_comes_from(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    comments = dict(
        warehouse.execute(
            "select schema_name || '.' || table_name, comment from duckdb_columns() where column_name = 'total_fen'"
        ).fetchall()
    )
    assert comments["core.bill"].endswith(" / 应收合计（分）")
    assert comments["bi.fact_bill"] == comments["core.bill"]
    assert comments["bi.fact_subscriber_month"] == comments["mart.subscriber_month"] == comments["core.bill"]


def comments_of(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return connection.execute(
        "select database_name, table_name, column_name, comment from duckdb_columns() "
        "where schema_name = 'bi' order by all"
    ).fetchall()


def test_views_show_the_tables_beside_them_and_leave_the_database_in_use(tmp_path: Path) -> None:
    """The masked file and the whole one have the same views; each shows what its own tables show."""
    path = tmp_path / "masked.duckdb"
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as warehouse")
        connection.execute(f"attach '{path}' as \"the state\"")
        for database, name in (("warehouse", "张三"), ('"the state"', "张*")):
            connection.execute(f"create schema {database}.core")
            connection.execute(f"create table {database}.core.area as select '110000' as code, '{name}' as title_en, "
                               "'北京市' as title_zh")  # fmt: skip
        connection.execute("use warehouse.core")
        make_views(connection, "the state")
        before = comments_of(connection)
        make_views(connection, "the state")
        assert comments_of(connection) == before
        assert only(connection, "select current_database(), current_schema()") == ("warehouse", "core")
        assert only(connection, "select count(*) from duckdb_views() where schema_name = 'bi'") == (1,)
    with duckdb.connect() as reader:
        reader.execute(f"attach '{path}' as other (read_only)")
        assert only(reader, "select * from other.bi.dim_area") == ("110000", "110", "张*", "北京市")


def test_views_come_and_go_with_their_tables() -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema core")
        connection.execute(
            "create table core.product as select 'MOB' as code, 'Mobile' as title_en, '移动' as title_zh"
        )
        make_views(connection, "memory")
        assert {row[1] for row in comments_of(connection)} == {"dim_product"}
        connection.execute("create table core.area as select '110000' as code, 'a' as title_en, 'b' as title_zh")
        connection.execute("drop table core.product")
        make_views(connection, "memory")
        assert {row[1] for row in comments_of(connection)} == {"dim_area"}


def test_a_column_that_the_header_lacks_or_has_too_many_is_named() -> None:
    area = VIEWS["bi.dim_area"]
    lacking = replace(area, columns={name: title for name, title in area.columns.items() if name != "source"})
    surplus = replace(area, columns={**area.columns, "capital": "Capital / 省会"})
    untitled = replace(area, title="")
    with duckdb.connect() as connection:
        connection.execute("create schema bi; create table bi.dim_area (area_code text, source text, "
                           "title_en text, title_zh text)")  # fmt: skip
        comment_on(connection, area)
        for model, message in (
            (lacking, "bi.dim_area: column source: expected `column: source: English / 中文` in the header"),
            (surplus, "bi.dim_area: column capital: the header has it, but the model makes none of that name"),
            (untitled, "bi.dim_area: expected `title: English / 中文` in the header, found none"),
        ):
            with pytest.raises(StoreError, match=message):
                comment_on(connection, model)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-- column: a: Number", "mart/a.sql: column a: expected `English / 中文`, found `Number`"),
        ("-- column: a: Number / number", "mart/a.sql: column a: expected `English / 中文`, found"),
        (
            "-- column: a: Number / 数\n-- columns of core.bill: a",
            "mart/a.sql: column a: expected it once in the header",
        ),
    ],
)
def test_a_header_whose_columns_are_not_told_in_both_languages_is_refused(
    line: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "mart").mkdir()
    head = "-- mart.a: what.\n-- grain: a row\n-- key: a\n-- reads: core.bill\n-- rule: none\n"
    (tmp_path / "mart" / "a.sql").write_text(f"{head}{line}\nselect 1 as a\n", encoding="utf-8")
    with pytest.raises(StoreError, match=message):
        load_models(tmp_path)
