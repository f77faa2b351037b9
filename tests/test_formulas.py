"""Fault 23: values that a spreadsheet would run: harmless in CSV for people, as they came in files for programs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import duckdb
import polars as pl
import pytest
from offers import NOW, batch, put_end
from running import make_home, tierline

from pipelines.list_files import list_body
from pipelines.transfer.base import Endpoint

NAMES = ["=1+1", "+8610", "-2", "@SUM(1)", "李静", '=cmd"/C calc"!A0', "＝1", " =1"]
AS_OF = ("--as-of", "2026-11-21")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published state of customers with such names."""
    work = tmp_path_factory.mktemp("formulas")
    records = [
        f"I|20261101090000|C{number:09d}|1|{name}|||F|19900101|13900000811||北京市|100083|||B|N|Y|20261101"
        for number, name in enumerate(NAMES)
    ]
    offer = batch("CUST_110_F_20261121_0001_00", records)
    offer.put(work / "remote")
    put_end(work / "remote", offer)
    home = make_home(work / "home", Endpoint("file", root=str(work / "remote")))
    assert tierline(home, "run", *AS_OF, now=NOW).exit_status in (0, 4)
    return home


def asked(home: Path, sql: str, *words: str) -> str:
    ran = tierline(home, "query", sql, *words, now=NOW)
    assert ran.exit_status == 0, ran.err
    return ran.out


@pytest.mark.fault(23)
def test_files_for_programs_have_values_as_they_came(home: Path) -> None:
    with duckdb.connect(str(home / "bi" / "private.duckdb"), read_only=True) as state:
        found = state.execute("select customer_name from core.customer order by customer_id").fetchall()
    assert [name for (name,) in found] == NAMES
    rows = pl.DataFrame({"customer_id": [f"C{number}" for number in range(len(NAMES))], "customer_name": NAMES})
    assert [line.split("|")[1] for line in list_body(rows).decode().splitlines()] == NAMES


@pytest.mark.fault(23)
def test_no_cell_of_a_csv_for_people_is_a_formula(home: Path) -> None:
    values = ", ".join("('" + name.replace("'", "''") + "')" for name in [*NAMES, "\t=1", "\r=1"])
    columns = 'value as "=value", -5 as number, -1.5 as exact, null as nothing'
    sql = f"select {columns} from (values {values}) as t (value)"
    text = asked(home, sql, "--csv")
    assert text.startswith("\ufeff"), "by which a spreadsheet knows UTF-8"
    header, *rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    assert header == ["'=value", "number", "exact", "nothing"]
    assert [row[0] for row in rows] == [
        "'=1+1", "'+8610", "'-2", "'@SUM(1)", "李静", "'=cmd\"/C calc\"!A0", "'＝1", " =1", "'\t=1", "'\r=1"
    ]  # fmt: skip
    assert {tuple(row[1:]) for row in rows} == {("-5", "-1.5", "")}
    assert [each["=value"] for each in json.loads(asked(home, sql, "--json"))][: len(NAMES)] == NAMES
