"""Conditions and patterns of contracts, tried when they are read, so that no file ever meets a broken one."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from polars.exceptions import PolarsError

from pipelines.contracts.model import Type
from pipelines.contracts.yaml_lines import Item

POLARS_TYPES: dict[Type, pl.DataType] = {
    Type.TEXT: pl.String(),
    Type.ID: pl.String(),
    Type.CODE: pl.String(),
    Type.INTEGER: pl.Int64(),
    Type.MONEY: pl.Int64(),
    Type.DATE: pl.Date(),
    Type.TIMESTAMP: pl.Datetime("us"),
    Type.MONTH: pl.String(),
}
# What a condition may name beside the row's columns; times are naive and mean Asia/Shanghai.
CONTEXT_TYPES: dict[str, pl.DataType] = {
    "cycle": pl.String(),
    "cycle_start": pl.Datetime("us"),
    "cycle_end": pl.Datetime("us"),
    "source": pl.String(),
}


def empty_frame(columns: Mapping[str, Type]) -> pl.DataFrame:
    """A frame of no rows with the row's columns and those of its context, as conditions see them."""
    types = {name: POLARS_TYPES[column_type] for name, column_type in columns.items()}
    return pl.DataFrame(schema={**types, **CONTEXT_TYPES})


def condition(item: Item, frame: pl.DataFrame) -> str:
    """A condition in SQL over the columns of `frame`; raises ConfigurationError where it is none."""
    sql = item.text()
    try:
        expression = pl.sql_expr(sql)
        unknown = sorted(set(expression.meta.root_names()) - set(frame.columns))
        if unknown:
            raise item.error("columns of this feed, or cycle, cycle_start, cycle_end, source", unknown[0])
        result = frame.select(expression.alias("result"))["result"]
    except PolarsError as error:
        raise item.error("a condition in SQL", f'"{sql}" ({_first_line(error)})') from error
    # A constant or an aggregate gives one row for a frame without any: it does not judge rows.
    if result.dtype != pl.Boolean or len(result) != 0:
        raise item.error("a condition that is true or false for each row", f'"{sql}"')
    return sql


def pattern(item: Item) -> str:
    """A regular expression as Polars understands it, without anchors; raises ConfigurationError where it is none."""
    expression = item.text()
    try:
        pl.Series([""]).str.contains(expression, strict=True)
    except PolarsError as error:
        raise item.error("a regular expression", f'"{expression}" ({_regex_problem(error)})') from error
    return expression


def _first_line(error: PolarsError) -> str:
    return str(error).strip().split("\n", 1)[0].rstrip(".")


def _regex_problem(error: PolarsError) -> str:
    """The line of the message that tells what is wrong; the others draw the expression."""
    problems = [line for line in str(error).split("\n") if line.startswith("error: ")]
    return problems[0].removeprefix("error: ") if problems else _first_line(error)
