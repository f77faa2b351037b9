"""Rows drawn as small tables, and one model run on them: rows in, rows out.

A table has a line of column names and a line a row, cells parted by `|`. `-` is null, quoted cells are text, others
what they look like: a date, a time (`2026-03-01 10:00`), a whole number, true or false, else text. A column that could
be mistaken says its type: `valid_to:timestamp`.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from mart_province import empty_warehouse, insert, rows_of

from pipelines.policy import Policy, load_policy
from warehouse.models import Model, load_models
from warehouse.policy_tables import write_policy

DEFAULT_POLICY = Path(__file__).parent.parent / "schemas" / "policy" / "default.yaml"
_TYPES = {
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
    "text": pa.string(),
    "int": pa.int64(),
    "bool": pa.bool_(),
}


def default_policy() -> Policy:
    return load_policy(DEFAULT_POLICY)


def policy_with(directory: Path, sources: str) -> Policy:
    """The default policy with what some sources override."""
    path = directory / "policy.yaml"
    text = DEFAULT_POLICY.read_text(encoding="utf-8")
    path.write_text(text.replace("sources: {}", f"sources: {sources}"), encoding="utf-8")
    return load_policy(path)


def model(name: str) -> Model:
    return next(each for each in load_models() if each.name == name)


def read_table(text: str) -> pa.Table:
    """The table that a drawing shows."""
    header, *lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    names = [name.split(":")[0] for name in header]
    rows = [dict(zip(names, map(_value, line), strict=True)) for line in lines]
    frame = pa.Table.from_pylist(rows, _schema(header, rows))
    assert frame.num_rows == len(lines)
    return frame


def _schema(header: list[str], rows: list[dict[str, Any]]) -> pa.Schema:
    fields = []
    for column in header:
        name, _, stated = column.partition(":")
        kind = _TYPES[stated] if stated else pa.infer_type([row[name] for row in rows])
        fields.append(pa.field(name, pa.string() if pa.types.is_null(kind) else kind))
    return pa.schema(fields)


def _value(cell: str) -> Any:
    if cell == "-":
        return None
    if cell.startswith("'"):
        return cell.strip("'")
    if re.fullmatch(r"-?\d+", cell):
        return int(cell)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", cell):
        return date.fromisoformat(cell)
    if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", cell):
        return datetime.fromisoformat(cell)
    return {"true": True, "false": False}.get(cell, cell)


def put(connection: duckdb.DuckDBPyConnection, table: str, text: str) -> None:
    """Makes a table of a drawing; of core and ops the tables are there and get its rows."""
    frame = read_table(text)
    if table.startswith(("core.", "ops.")):
        insert(connection, table, frame.to_pylist())
        return
    connection.register("drawing", frame)
    temp = "temp " if table.startswith("step_") else ""
    connection.execute(f"create or replace {temp}table {table} as select * from drawing")
    connection.unregister("drawing")


def run(
    name: str,
    inputs: dict[str, str],
    as_of: str = "2026-12-06",
    bill_month: str | None = None,
    policy: Policy | None = None,
    steps: tuple[str, ...] = (),
) -> list[dict[str, Any]]:
    """The rows that a model makes of drawn tables, by a policy (else the default) of the sources 110 and 440.

    `steps` are made first, of the drawn tables too.
    """
    connection = empty_warehouse()
    write_policy(connection, policy or default_policy(), ["110", "440"])
    for table, text in inputs.items():
        put(connection, table, text)
    known: dict[str, Any] = {"as_of": date.fromisoformat(as_of), "bill_month": bill_month, "first_no": 1, "last_no": 3}
    for table, wanted in [*((step, model(step)) for step in steps), ("result", model(name))]:
        parameters = {key: value for key, value in known.items() if key in wanted.parameters}
        connection.execute(f"create temp table {table} as {wanted.sql}", parameters)
    return rows_of(connection, "select * from result")


def assert_rows(found: list[dict[str, Any]], drawing: str) -> None:
    """Fails unless the rows are those of the drawing, in any order, in the columns that it shows."""
    expected = read_table(drawing).to_pylist()
    names = list(read_table(drawing).schema.names)
    shown = [{name: _plain(row[name]) for name in names} for row in found]
    assert sorted(shown, key=repr) == sorted(expected, key=repr)


def _plain(value: Any) -> Any:
    return float(value) if type(value).__name__ == "Decimal" else value
