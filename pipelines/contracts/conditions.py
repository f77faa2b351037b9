"""Conditions and patterns of contracts, tried when they are read, so that no file ever meets a broken one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from itertools import islice, product

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


# Two values of each type on which conditions are tried: as unlike as a file may bring them, for conditions are
# evaluated on all rows, also on those that are rejected for the same value.
_TEXTS = ("((", "1")
_NUMBERS = (1 - 10**18, 10**18 - 1)
_SAMPLES: dict[Type, tuple[object, object]] = {
    Type.TEXT: _TEXTS,
    Type.ID: _TEXTS,
    Type.CODE: _TEXTS,
    Type.INTEGER: _NUMBERS,
    Type.MONEY: _NUMBERS,
    Type.DATE: (date(1900, 1, 1), date(2999, 12, 31)),
    Type.TIMESTAMP: (datetime(1900, 1, 1), datetime(2999, 12, 31, 23, 59, 59)),
    Type.MONTH: ("190001", "299912"),
}
_CONTEXT_SAMPLES: dict[str, tuple[object, object]] = {
    "cycle": ("202611", "2026112210"),
    "cycle_start": (datetime(2026, 11, 1), datetime(2026, 11, 22, 10)),
    "cycle_end": (datetime(2026, 12, 1), datetime(2026, 11, 22, 11)),
    "source": ("110", "440"),
}
# Values between which arithmetic goes furthest, of numbers and of texts that are cast to numbers.
_NUMBER_EXTREMES, _TEXT_EXTREMES = [1 - 10**18, -1, 1, 10**18 - 1], ["1", "9" * 18]
_MOST_EXTREMES, _MOST_OF_FOUR = 4096, 6  # rows; columns of which all four values are tried with each
_MOST_POWER = 64


def sample_rows(columns: Mapping[str, Type]) -> pl.DataFrame:
    """Rows to try conditions on, with their columns and those of their context: two unlike ones, one of nulls."""
    types = {name: POLARS_TYPES[column_type] for name, column_type in columns.items()} | CONTEXT_TYPES
    samples = {name: _SAMPLES[column_type] for name, column_type in columns.items()} | _CONTEXT_SAMPLES
    return pl.DataFrame({name: [*values, None] for name, values in samples.items()}, schema=types)


def condition(item: Item, samples: pl.DataFrame) -> str:
    """A condition in SQL over the columns of `samples`, which fails for no value and looks at no row but its own.

    Raises ConfigurationError where it is none.
    """
    sql = item.text()
    try:
        expression = pl.sql_expr(sql)
        unknown = sorted(set(expression.meta.root_names()) - set(samples.columns))
        if unknown:
            raise item.error("columns of this feed, or cycle, cycle_start, cycle_end, source", unknown[0])
        result_type = samples.clear().select(expression.alias("result"))["result"].dtype
    except PolarsError as error:
        raise item.error("a condition in SQL", f'"{sql}" ({_first_line(error)})') from error
    if result_type != pl.Boolean or not expression.meta.root_names():
        raise item.error("a condition that is true or false for each row", f'"{sql}"')
    try:
        is_of_one_row = _looks_at_one_row(expression, samples)
        wraps = is_of_one_row and _wraps(expression, samples)
    except PolarsError as error:
        expected = "a condition that fails for no value (try_cast gives none where cast fails)"
        raise item.error(expected, f'"{sql}" ({_first_line(error)})') from error
    if not is_of_one_row:  # its verdict would depend on how a file is cut into blocks
        raise item.error("a condition of one row, without aggregates and windows", f'"{sql}"')
    if wraps:  # Polars goes on with another number then: sound rows would be rejected, and others not
        expected = "a condition whose numbers fit for every value (cast(a as hugeint) * b has room for 38 digits)"
        raise item.error(expected, f'"{sql}"')
    return sql


def _looks_at_one_row(expression: pl.Expr, samples: pl.DataFrame) -> bool:
    """Whether each part of it says of a row what it says where that row stands alone.

    Each part, for what one says of other rows may be hidden by another, and show on some file.
    """
    parts = [part for part in _parts(expression) if not (part.meta.is_literal() or part.meta.is_column())]
    together, *alone = (_values(parts, rows) for rows in (samples, samples[:1], samples[1:2]))
    for at, part in enumerate(parts):
        said = together[at]
        if part.meta.root_names() and len(said) != samples.height:
            return False
        if any(not each[at].equals(said[row : row + 1]) for row, each in enumerate(alone) if row < len(said)):
            return False
    return True


def _parts(expression: pl.Expr) -> Iterator[pl.Expr]:
    """An expression and all that it is made of."""
    yield expression
    for part in expression.meta.pop():
        yield from _parts(part)


def _values(parts: list[pl.Expr], rows: pl.DataFrame) -> list[pl.Series]:
    """What each part says of some rows: a value of each, or one in all."""
    lists = rows.select(part.implode().alias(str(at)) for at, part in enumerate(parts))
    return [column[0] for column in lists]


def _wraps(expression: pl.Expr, samples: pl.DataFrame) -> bool:
    """Whether whole numbers may outgrow their type somewhere in it, with values as a file may bring them."""
    steps = [step for part in _parts(expression) if _is_of_two_numbers(step := (part, *part.meta.pop()), samples)]
    if not steps:
        return False
    rows = _extremes(samples.select(sorted(set(expression.meta.root_names()))))
    for step in steps:
        results = rows.select(part.alias(str(at)) for at, part in enumerate(step)).drop_nulls().unique()
        if not all(_comes_to(*each) for each in results.rows()):
            return True
    return False


def _is_of_two_numbers(step: tuple[pl.Expr, ...], samples: pl.DataFrame) -> bool:
    """Whether a part, given with what it is made of, is a whole number of two."""
    if len(step) != 3:
        return False
    types = samples[:1].select(part.alias(str(at)) for at, part in enumerate(step)).dtypes
    return all(each.is_integer() for each in types)


def _extremes(samples: pl.DataFrame) -> pl.DataFrame:
    """Rows of the values between which arithmetic goes furthest, each with each."""
    numbers = _NUMBER_EXTREMES if len(samples.columns) <= _MOST_OF_FOUR else _NUMBER_EXTREMES[::3]
    values = [
        numbers if column.dtype == pl.Int64 else _TEXT_EXTREMES if column.dtype == pl.String
        else column.drop_nulls().to_list()
        for column in samples
    ]  # fmt: skip
    return pl.DataFrame(list(islice(product(*values), _MOST_EXTREMES)), schema=samples.schema, orient="row")


def _comes_to(result: int, a: int, b: int) -> bool:
    """Whether a number is what two may come to, by whatever is done with them; one that went too far is not."""
    if result in (a, b, a + b, a - b, b - a, a * b, a & b, a | b, a ^ b):
        return True
    for one, other in ((a, b), (b, a)):
        if other and result in (one // other, -(-one // other), one % other, -(-one % other)):
            return True
        if 0 <= other <= _MOST_POWER and result == one**other:
            return True
    return False


def pattern(item: Item) -> str:
    """A regular expression as Polars understands it, without anchors; raises ConfigurationError where it is none."""
    expression = item.text()
    try:
        for tried in (expression, whole_match(expression)):  # one may be sound without being sound in the other
            pl.Series([""]).str.contains(tried, strict=True)
    except PolarsError as error:
        raise item.error("a regular expression", f'"{expression}" ({_regex_problem(error)})') from error
    return expression


def whole_match(expression: str) -> str:
    """The pattern of a contract as it is used: it matches the whole value or not at all."""
    return rf"\A(?:{expression})\z"


def _first_line(error: PolarsError) -> str:
    return str(error).strip().split("\n", 1)[0].rstrip(".")


def _regex_problem(error: PolarsError) -> str:
    """The line of the message that tells what is wrong; the others draw the expression."""
    problems = [line for line in str(error).split("\n") if line.startswith("error: ")]
    return problems[0].removeprefix("error: ") if problems else _first_line(error)
