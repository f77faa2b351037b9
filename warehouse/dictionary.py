"""The data dictionary: every table and view of the warehouse, what its columns are, and which file fields they are of.

Tables, types and comments are read from a warehouse that is made empty for it, so it says what a real one holds; what
columns are made of is read off the models (`warehouse.lineage`) and the contracts (`warehouse.fields`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jinja2

from pipelines.contracts.load import DEFAULT_SCHEMAS
from pipelines.contracts.model import Contracts
from pipelines.durable import replace_durably
from pipelines.errors import StoreError
from pipelines.policy import load_policy
from pipelines.rights import share
from warehouse.build import build
from warehouse.fields import core_fields
from warehouse.lineage import Place, trace
from warehouse.models import GIVEN, load_models, load_reference, load_views
from warehouse.reference import CALENDAR, PLANS, refresh_plans
from warehouse.store import open_warehouse
from warehouse.views import make_views

LAYERS = ("bi", "mart", "list", "core", "ops", "policy")
NAMES = ("dictionary.html", "dictionary.md")
_PERSONAL = ("bi", "mart", "list", "core")  # layers whose columns carry those of contracts along, by name
_HERE = Path(__file__).parent
_RELATIONS = (_HERE / "relations.sql").read_text
_PLAIN = {"plan_title": "codes/plan.yaml"}
_SOME_DAY = date(2026, 1, 1)  # an empty warehouse has the same tables whatever the day
_TABLE_COMMENT = re.compile(r"(?P<english>.*) Grain: (?P<grain>.*)\. Key: (?P<key>.*)\. / (?P<chinese>.*)")

Row = tuple[Any, ...]
MadeOf = Mapping[Place, tuple[str, ...]]


@dataclass(frozen=True)
class Column:
    """A column: its SQL type, titles, the mask of personal data (empty: none), and what it is made of."""

    name: str
    type: str
    english: str
    chinese: str
    mask: str
    made_of: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table or view with its columns in their order. `kind` is `table` or `view`."""

    schema: str
    name: str
    kind: str
    english: str
    chinese: str
    grain: str
    key: str
    columns: tuple[Column, ...]


def write_dictionary(contracts: Contracts, directory: Path) -> tuple[Path, ...]:
    """Write `dictionary.html` and `dictionary.md` into a directory; the same contracts and models give the same bytes.

    Neither needs the network or a warehouse. Raises StoreError for a table, view or column without its titles, and for
    a model whose columns cannot be traced.
    """
    layers = [(layer, list(tables)) for layer, tables in groupby(describe(contracts), key=lambda each: each.schema)]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = lambda text: text.replace("|", "\\|").replace("*", "\\*")
    directory.mkdir(parents=True, exist_ok=True)
    return tuple(
        _write(directory / name, environment.get_template(f"{name}.j2").render(layers=layers)) for name in NAMES
    )


def describe(contracts: Contracts) -> list[Table]:
    """Every table and view of the warehouse, by layer (those that readers meet first) and name."""
    with TemporaryDirectory() as directory, open_warehouse(Path(directory), contracts) as connection:
        refresh_plans(connection, contracts)
        build(connection, load_policy(DEFAULT_SCHEMAS / "policy" / "default.yaml"), _SOME_DAY)
        make_views(connection, "warehouse")
        rows = connection.execute(_RELATIONS(encoding="utf-8"), {"layers": list(LAYERS)}).fetchall()
    made_of = _made_of(contracts, rows)
    masks = {
        column.name: column.mask or ""
        for contract in contracts.feeds
        for column in contract.stored_columns
        if column.personal
    }
    return [
        _table(key, list(of_table), made_of, masks if key[0] in _PERSONAL else {})
        for key, of_table in groupby(rows, key=lambda row: row[:2])
        if ".".join(key) not in GIVEN  # the build's own memory; readers do not meet it
    ]


def _table(key: tuple[str, str], rows: list[Row], made_of: MadeOf, masks: Mapping[str, str]) -> Table:
    schema, name = key
    kind, comment = rows[0][2:4]
    said = _TABLE_COMMENT.fullmatch(comment or "")
    if said is None:
        raise StoreError(
            f"{kind} {schema}.{name}: expected it to say `Title. Grain: … Key: … / 中文`, found {comment!r}"
        )
    columns = tuple(_column(row, made_of, masks) for row in rows)
    return Table(schema, name, kind, said["english"], said["chinese"], said["grain"], said["key"], columns)


def _column(row: Row, made_of: MadeOf, masks: Mapping[str, str]) -> Column:
    schema, table, _, _, name, sql_type, comment = row
    english, separator, chinese = (comment or "").rpartition(" / ")
    if not separator:
        raise StoreError(f"{schema}.{table}, column {name}: expected it to say `English / 中文`, found {comment!r}")
    fields = made_of.get(Place(f"{schema}.{table}", name), ())
    return Column(name, sql_type, english, chinese, masks.get(name, ""), fields)


def _made_of(contracts: Contracts, rows: list[Row]) -> MadeOf:
    """What the columns of models, views and tables of core are made of, down to fields, policy and ledger."""
    models = [*map(load_reference, (CALENDAR, PLANS)), *load_models(), *load_views()]
    made = {model.name for model in models}
    given = {"plan_title": ["code", "title_en", "title_zh"]}
    for schema, table, _, _, column, _, _ in rows:
        if f"{schema}.{table}" not in made:
            given.setdefault(f"{schema}.{table}", []).append(column)
    fields = core_fields(contracts)
    traced = {
        Place(model, column): _described(places, fields)
        for model, columns in trace(models, given).items()
        for column, places in columns.items()
    }
    return fields | traced


def _described(places: Iterable[Place], fields: MadeOf) -> tuple[str, ...]:
    """Fields of files; of what is none, such as policy and ledger, table and column."""
    found = {text for place in places for text in fields.get(place, (_PLAIN.get(place.table) or ".".join(place),))}
    return tuple(sorted(found, key=_by_number))


def _by_number(text: str) -> list[int | str]:
    """So that field 10 comes after field 9; words and numbers alternate, so that like meets like."""
    return [int(part) if part.isdigit() else part for part in re.split("([0-9]+)", text)]


def _write(path: Path, text: str) -> Path:
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    part.write_text(text, encoding="utf-8")
    share(part)
    replace_durably(part, path)
    return path
