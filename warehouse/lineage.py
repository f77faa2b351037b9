"""From which columns of given tables the columns of models are made, read off their SQL.

What is followed are values: a column that only filters, joins or orders is not named. A column that counts rows is made
of the rows of a table, which stands here as its column `*`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.lineage import Node, lineage

from pipelines.errors import StoreError
from warehouse.models import Model

ROWS = "*"
_DIALECT = "duckdb"
_TEMP = "temp"  # where tables without a schema stand, for the parser wants one


class Place(NamedTuple):
    """A column of a table; `*` for its rows."""

    table: str
    column: str


Columns = Mapping[str, Iterable[str]]
Lineage = dict[str, dict[str, frozenset[Place]]]


def trace(models: Iterable[Model], given: Columns) -> Lineage:
    """For every model and column the places in `given` tables (name to columns) that its value is made of.

    Models come each after those that it reads, whose columns are followed through. Raises StoreError naming a model
    that cannot be followed.
    """
    known = {name: list(columns) for name, columns in given.items()}
    found: Lineage = {}
    for model in models:
        try:
            direct, rows_of = _trace(model.sql, known)
        except sqlglot.errors.SqlglotError as error:
            raise StoreError(f"{model.name}: its columns cannot be traced: {error}") from error
        _check(model.name, direct, known)
        found[model.name] = {column: _through(places, found) for column, places in direct.items()}
        found[model.name][ROWS] = _through({Place(rows_of, ROWS)} if rows_of else set(), found)
        known[model.name] = list(direct)
    return found


def _check(model: str, direct: Mapping[str, set[Place]], known: Columns) -> None:
    """The parser goes on where it does not know a column; a dictionary that leaves it out would be wrong."""
    for column, places in direct.items():
        for place in sorted(places):
            if place.column != ROWS and place.column not in known.get(place.table, ()):
                raise StoreError(
                    f"{model}: column {column}: its columns cannot be traced: expected a column of a table that is "
                    f"given or that a model before makes, found {place.table}.{place.column}"
                )


def _through(places: Iterable[Place], found: Lineage) -> frozenset[Place]:
    """The places in given tables behind those in models."""
    reached: set[Place] = set()
    for place in places:
        reached |= found[place.table][place.column] if place.table in found else {place}
    return frozenset(reached)


def _trace(sql: str, known: Columns) -> tuple[dict[str, set[Place]], str | None]:
    """The places behind each column of a select, and the table of which it has a row each."""
    query = sqlglot.parse_one(sql, dialect=_DIALECT)
    for table in query.find_all(exp.Table):
        if not table.db and table.name in known:
            table.set("db", exp.to_identifier(_TEMP))
    named = {cte.alias: cte.this for cte in query.find_all(exp.CTE)}
    nodes = lineage(None, query, schema=_schema(known), dialect=_DIALECT, trim_selects=False)
    return {column: set(_places(node, named)) for column, node in nodes.items()}, _base(query, named)


def _schema(known: Columns) -> dict[str, dict[str, dict[str, str]]]:
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for name, columns in known.items():
        database, _, table = name.rpartition(".")
        schema.setdefault(database or _TEMP, {})[table] = dict.fromkeys(columns, "unknown")
    return schema


def _places(node: Node, named: Mapping[str, exp.Expr]) -> Iterator[Place]:
    """The columns at the ends of a node's branches, and where one counts, the table whose rows it counts."""
    for each in node.walk():
        if each.downstream:
            continue
        if isinstance(each.expression, exp.Placeholder):
            yield Place("", each.name)
        elif isinstance(each.expression, exp.Table):
            if isinstance(each.expression.this, exp.Identifier):
                yield Place(_name(each.expression), each.name.rpartition(".")[2])
        elif _counts(each.expression) and (table := _base(each.source, named)):
            yield Place(table, ROWS)


def _counts(expression: exp.Expr) -> bool:
    """Whether a value without columns counts rows: `count(*)`, or the 1 of a column named so, which is summed up."""
    is_one = isinstance(expression.unalias(), exp.Literal) and expression.unalias().name == "1"
    return expression.find(exp.Count) is not None or (is_one and expression.alias.endswith("_count"))


def _base(query: exp.Expr, named: Mapping[str, exp.Expr]) -> str | None:
    """The table that a select has its rows from: the first one after `from`, in queries below too."""
    while isinstance(query, exp.SetOperation):
        query = query.this
    source = query.args.get("from_")
    table = source.this if source else None
    if isinstance(table, exp.Subquery):
        return _base(table.this, named)
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        return None
    return _base(named[table.name], named) if not table.db and table.name in named else _name(table)


def _name(table: exp.Table) -> str:
    return table.name if table.db == _TEMP else f"{table.db}.{table.name}"
