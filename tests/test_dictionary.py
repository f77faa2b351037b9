"""The data dictionary: everything in it, in both languages, made of the right fields, to be read without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.contracts.load import load_contracts
from pipelines.errors import StoreError
from warehouse.dictionary import NAMES, Column, Table, describe, write_dictionary
from warehouse.fields import core_fields
from warehouse.lineage import Place, trace
from warehouse.models import Model, load_models, load_views

CONTRACTS = load_contracts()


@pytest.fixture(scope="module")
def tables() -> dict[str, Table]:
    return {f"{table.schema}.{table.name}": table for table in describe(CONTRACTS)}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dictionary") / "new"
    assert [path.name for path in write_dictionary(CONTRACTS, directory)] == list(NAMES)
    return directory


def column(tables: dict[str, Table], name: str) -> Column:
    schema, table, wanted = name.split(".")
    return next(each for each in tables[f"{schema}.{table}"].columns if each.name == wanted)


# Worked out by hand from the feeds' tables, the steps and the models.
MADE_OF = {
    "core.payment.amount_fen": "PAYM field 6 amount_fen",
    "core.payment.batch_stem": "PAYM file name",
    "core.payment.line": "PAYM line number",
    "core.payment.is_current": "",
    "core.subscriber.plan_code": "USER field 8 plan_code; CHNG field 9 new_value",
    "core.subscriber.status": "USER field 10 status; CHNG field 5 change_type",
    "core.subscriber.close_date": "USER field 13 close_date; CHNG field 7 effective_at",
    "core.subscriber.product": "USER field 7 product",
    "core.plan.code": "CHNG field 9 new_value; USER field 8 plan_code",
    "core.plan.title_zh": "codes/plan.yaml",
    "core.area.title_zh": "codes/area.yaml",
    "mart.arpu.arpu3_fen": "BILL field 16 total_fen; BILL records",
    "mart.tier.arpu3_fen": "BILL field 16 total_fen; BILL records",
    "mart.tier.tenure_months": "USER field 12 open_date; ops.cycle.cycle",
    "mart.customer_attribute.is_blacklisted": "CUST field 17 blacklisted",
    "mart.subscriber_month.data_mb": "USGE field 4 usage_type; USGE field 9 volume_kb",
    "mart.subscriber_month.contact_count": "CONT records",
    "mart.subscriber_month.payment_fen": "PAYM field 6 amount_fen",
    "list.tier.skill_group": "policy.service_level.skill_group",
    "list.tier.service_number": "CHNG field 9 new_value; USER field 6 service_number",
    "bi.fact_usage_day.usage_date": "USGE field 7 started_at",
    "bi.fact_usage_day.record_count": "USGE records",
    "bi.fact_contact.wait_s": "CONT field 8 queued_at; CONT field 9 answered_at",
    "bi.dim_subscriber.province_code": "USER field 14 area_code",
    "bi.dim_customer.id_number": "CUST field 7 id_number",
    "bi.fact_subscriber_month.voice_minutes": "USGE field 4 usage_type; USGE field 8 duration_s",
}


@pytest.mark.parametrize("name", MADE_OF)
def test_a_column_is_made_of_these_fields(tables: dict[str, Table], name: str) -> None:
    assert "; ".join(column(tables, name).made_of) == MADE_OF[name]


def test_every_field_of_every_feed_reaches_its_table_by_number(tables: dict[str, Table]) -> None:
    seen = 0
    for contract in CONTRACTS.feeds:
        table = f"core.{contract.table}_record" if contract.stateful else f"core.{contract.table}"
        for number, name in enumerate(contract.column_names, start=1):
            assert column(tables, f"{table}.{name}").made_of == (f"{contract.feed} field {number} {name}",)
            seen += 1
    assert seen == 126


def test_a_field_of_an_older_version_says_so() -> None:
    newest = CONTRACTS["PAYM"]
    older = replace(newest, format_version="1", columns=(newest.columns[12], *newest.columns[:12]))
    newest = replace(newest, format_version="2", columns=newest.columns[:12], former=(older,))
    fields = core_fields(replace(CONTRACTS, feeds=(newest,)))
    assert fields[Place("core.payment", "operator_id")] == ("PAYM version 1 field 1 operator_id",)
    assert fields[Place("core.payment", "amount_fen")] == ("PAYM field 6 amount_fen",)


def test_all_layers_are_told_in_both_languages(tables: dict[str, Table]) -> None:
    named = {each.name for each in (*load_models(), *load_views()) if not each.is_step}
    feeds = {f"core.{contract.table}" for contract in CONTRACTS.feeds}
    lists = {f"core.{each.name}" for each in CONTRACTS.code_lists}
    others = {"core.date", "core.plan", "ops.batch", "ops.reject", "ops.publication", "policy.tier"}
    assert named | feeds | lists | others <= set(tables)
    for table in tables.values():
        assert table.grain.startswith("one row"), table.name
        assert table.key
        for told in (table, *table.columns):
            assert re.search("[一-龥]", told.chinese), (table.name, told.name)
            assert re.search("[A-Za-z]", told.english)
            assert not re.search("[一-龥]", told.english), (table.name, told.name)


def test_keys_are_columns(tables: dict[str, Table]) -> None:
    seen = 0
    for table in tables.values():
        key = table.key.removesuffix(" of current rows")
        if not key.startswith("none"):
            assert set(key.split(", ")) <= {each.name for each in table.columns}, table
            seen += 1
    assert seen > 80


def test_personal_data_and_its_mask_are_shown(tables: dict[str, Table]) -> None:
    for table in ("core.customer", "mart.customer_state", "bi.dim_customer", "bi.customer_period"):
        masks = {each.name: each.mask for each in tables[table].columns if each.mask}
        assert masks == {
            "customer_name": "name",
            "id_number": "hidden",
            "birth_date": "hidden",
            "contact_phone": "phone",
            "email": "email",
            "address": "hidden",
        }
    assert column(tables, "core.payment.service_number").mask == "phone"
    assert column(tables, "core.payment.amount_fen").mask == ""


def test_pages_hold_every_table_and_column(tables: dict[str, Table], written: Path) -> None:
    page, text = ((written / name).read_text(encoding="utf-8") for name in NAMES)
    for name, table in tables.items():
        assert f'<section id="{name}">' in page
        assert f"### {name}\n" in text
        rows = [row for row in text.split(f"### {name}\n")[1].split("\n### ")[0].splitlines() if row.startswith("| ")]
        assert [row.split(" | ")[0].removeprefix("| ") for row in rows[2:]] == [each.name for each in table.columns]
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}
    assert page.count("<tr><td>") == sum(len(table.columns) for table in tables.values())
    assert page.count(">缴费金额（分）") == text.count("| 缴费金额（分）") > 1


def test_pages_need_no_network(written: Path) -> None:
    page = (written / "dictionary.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)
    targets = re.findall(r'(?:href|src)="([^"]*)"', page)
    assert len(targets) > 80
    assert all(target.startswith("#") for target in targets)
    assert {target[1:] for target in targets} == set(re.findall(r'<section id="([^"]*)"', page))


def test_links_of_the_text_lead_to_its_headings(written: Path) -> None:
    text = (written / "dictionary.md").read_text(encoding="utf-8")
    headings = {line.lstrip("# ").replace(".", "") for line in text.splitlines() if line.startswith("##")}
    targets = re.findall(r"\]\(#([^)]*)\)", text)
    assert len(targets) > 80
    assert set(targets) <= headings


def test_the_command_writes_the_same_bytes(written: Path, tmp_path: Path) -> None:
    """In a process of its own, where sets have another order."""
    words = ["--home", str(tmp_path / "none"), "dictionary", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *words],
        env=os.environ | {"PYTHONHASHSEED": "7"}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout == "".join(f"dictionary: {tmp_path / 'out' / name}\n" for name in NAMES)
    for name in NAMES:
        assert (tmp_path / "out" / name).read_bytes() == (written / name).read_bytes()


def model(name: str, sql: str) -> Model:
    return Model(
        name=name, title="", what="", grain="", key="", reads=(), rule="", columns={}, carried={}, by_part=False,
        entity=None, for_readers=True, sql=sql, parameters=frozenset(),
    )  # fmt: skip


GIVEN = {"core.bill": ["user_id", "total_fen", "paid_fen"], "core.tier": ["code", "title_en"]}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select total_fen from core.bill", "core.bill.total_fen"),
        ("select * exclude (user_id, paid_fen) from core.bill", "core.bill.total_fen"),
        ("with a as (select * from core.bill) select paid_fen + total_fen as x from a", "core.bill.paid_fen total_fen"),
        ("select paid_fen as x from core.bill union all select code from core.tier",
         "core.bill.paid_fen core.tier.code"),
        ("select count(*) as x from (select 1 as one from core.bill where paid_fen > 0) as b", "core.bill.*"),
        ("select sum(n_count) as x from (select 1 as n_count from core.bill) as b", "core.bill.*"),
        ("select 'I' as x from core.bill", ""),
        ("select n.i as x from range(1, 12) as n (i) cross join core.bill", ""),
        ("select lag(total_fen) over (partition by user_id order by paid_fen) as x from core.bill",
         "core.bill.paid_fen total_fen user_id"),
        ("select (select max(code) from core.tier) as x from core.bill", "core.tier.code"),
        ("select case when t.code = $as_of then b.total_fen end as x from core.bill as b join core.tier as t on true",
         "core.bill.total_fen core.tier.code"),
    ],
)  # fmt: skip
def test_values_are_followed_through_a_select(sql: str, expected: str) -> None:
    places = sorted(next(iter(trace([model("mart.a", sql)], GIVEN)["mart.a"].values())))
    told = {table: " ".join(place.column for place in places if place.table == table) for table, _ in places}
    assert " ".join(f"{table}.{columns}" for table, columns in told.items()) == expected


def test_values_are_followed_from_model_to_model() -> None:
    models = [
        model("step_a", "select user_id, total_fen as t from core.bill"),
        model("mart.b", "select user_id, sum(t) as s, count(*) as n from step_a group by user_id"),
        model("bi.c", "select s + n as x, user_id from mart.b"),
    ]
    found = trace(models, GIVEN)["bi.c"]
    assert found["x"] == {Place("core.bill", "total_fen"), Place("core.bill", "*")}
    assert found["user_id"] == {Place("core.bill", "user_id")}


@pytest.mark.parametrize(
    "sql",
    [
        "select total_fen from (core.bill",
        "select b.nothing as x from core.bill as b",
        "select nothing as x from core.bill",
        "select nothing as x from core.bill cross join core.tier",
        "select total_fen from mart.nowhere",
    ],
)
def test_a_model_that_cannot_be_followed_is_named(sql: str) -> None:
    with pytest.raises(StoreError, match=r"mart\.a: .*its columns cannot be traced"):
        trace([model("mart.a", sql)], GIVEN)
