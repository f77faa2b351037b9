"""DuckDB's SQL, in which all models are written, as Spark reads it. SQLGlot translates; there is no second text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import sqlglot
from sqlglot import exp

from pipelines.errors import StoreError

Parameters = Mapping[str, date | str | int | None]


def to_spark(sql: str, parameters: Parameters) -> str:
    """A select for Spark, with its parameters as literals; tables are the views that `view_of` names.

    Hints whether to materialize an expression are DuckDB's own and go. Raises StoreError for what cannot be read.
    """
    try:
        tree = sqlglot.parse_one(sql, dialect="duckdb")
        for expression in tree.find_all(exp.CTE):
            expression.set("materialized", None)
        return tree.transform(_transformed, parameters).sql(
            dialect="spark", comments=False, unsupported_level=sqlglot.ErrorLevel.RAISE
        )
    except sqlglot.errors.SqlglotError as error:
        raise StoreError(f"expected SQL that Spark can read too, found: {error}") from error


def view_of(table: str) -> str:
    """The view under which Spark knows a table: it has no schemas for views of a session."""
    return table.replace(".", "__")


def spark_type(sql_type: str) -> str:
    """A type of DuckDB as Spark names it; timestamps have no time zone in either."""
    named = exp.DataType.build(sql_type, dialect="duckdb").sql(dialect="spark")
    return "TIMESTAMP_NTZ" if named == "TIMESTAMP" else named


def _transformed(node: exp.Expr, parameters: Parameters) -> exp.Expr:
    if isinstance(node, exp.Parameter | exp.Placeholder):
        return _literal(parameters[node.name])
    if isinstance(node, exp.Table) and node.db:
        view = exp.to_table(view_of(f"{node.db}.{node.name}"))
        return exp.alias_(view, node.alias or node.name, table=True)
    if isinstance(node, exp.Column) and node.args.get("db"):
        return exp.column(node.name, table=node.table)
    if isinstance(node, exp.DataType) and node.this is exp.DataType.Type.INT128:
        return exp.DataType.build("decimal(38, 0)")
    return node


def _literal(value: date | str | int | None) -> exp.Expr:
    if isinstance(value, date):
        return exp.cast(exp.Literal.string(value.isoformat()), "date")
    return exp.null() if value is None else exp.convert(value)
