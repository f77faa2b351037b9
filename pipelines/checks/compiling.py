"""A contract becomes checks once; then they run over every block of every file of the feed.

A check is a boolean expression that is true where a row breaks it. Checks read the typed frame: columns of the
contract's types (a missing or unreadable value is null), `raw:<column>` as text for what is not text, CONTROL, and
the literals `cycle`, `cycle_start`, `cycle_end`, `source` of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_

import polars as pl

from pipelines.checks.digits import SCHEMES
from pipelines.contracts.conditions import whole_match
from pipelines.contracts.model import Column, Contract, Rule, RuleKind, Type

CONTROL = "control:value"
INTEGER_PATTERN = r"\A(?:0|-?[1-9][0-9]{0,17})\z"
_YEAR = "(?:19|2[0-9])[0-9]{2}"
_MONTH = "(?:0[1-9]|1[0-2])"
_DAY = "(?:0[1-9]|[12][0-9]|3[01])"
_TIME = "(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]"
_TEXTUAL = (Type.TEXT, Type.ID, Type.CODE)


@dataclass(frozen=True)
class Check:
    """One code of one column: `breaks` is true where a row earns it; never null."""

    code: str
    column: str
    breaks: pl.Expr


@dataclass(frozen=True)
class CompiledChecks:
    """`typed` turns text fields (null where empty) into the typed frame; `any_breaks` says which rows are rejected.

    `verdicts` are the columns of a reject but its line and record, of a rejected row: every code that it earned in
    the order of columns, then codes; their columns; the entity, where the columns of the key are sound.
    """

    typed: tuple[pl.Expr, ...]
    any_breaks: pl.Expr
    verdicts: tuple[pl.Expr, ...]


@cache
def compile_checks(contract: Contract) -> CompiledChecks:
    """Turn a contract into expressions; the contract was checked when it was loaded, so this cannot fail."""
    typed = (*(expression for column in contract.columns for expression in _typed(column)), _control(contract))
    checks = [check for column in contract.columns for check in _column_checks(column, contract)]
    breaks_key = pl.any_horizontal([check.breaks for check in checks if check.column in contract.key])
    verdicts = (
        _joined([(check.breaks, check.code) for check in checks]).alias("codes"),
        _joined([(check.breaks, check.column) for check in checks]).alias("columns"),
        pl.when(~breaks_key).then(pl.col(contract.entity_key)).alias("entity_key"),
    )
    return CompiledChecks(typed, pl.any_horizontal([check.breaks for check in checks]), verdicts)


def _control(contract: Contract) -> pl.Expr:
    """What a record counts in the control total, also where it is rejected: null, for 0, where it cannot be read."""
    if contract.control_column is None:
        return pl.lit(0, pl.Int64).alias(CONTROL)
    return _where(pl.col(contract.control_column), INTEGER_PATTERN).cast(pl.Int64, strict=False).alias(CONTROL)


def _joined(parts: list[tuple[pl.Expr, str]]) -> pl.Expr:
    """The texts whose condition is true, in their order."""
    return pl.concat_str([pl.when(holds).then(pl.lit(text)) for holds, text in parts], separator="+", ignore_nulls=True)


def _present(column: Column) -> pl.Expr:
    return pl.col(column.name if column.type in _TEXTUAL else f"raw:{column.name}").is_not_null()


def _typed(column: Column) -> Iterator[pl.Expr]:
    field = pl.col(column.name)
    if column.type in _TEXTUAL:
        yield field
        return
    yield field.alias(f"raw:{column.name}")
    match column.type:
        case Type.INTEGER | Type.MONEY:
            yield _where(field, INTEGER_PATTERN).cast(pl.Int64, strict=False)
        case Type.DATE:
            yield _where(field, rf"\A{_YEAR}{_MONTH}{_DAY}\z").str.to_date("%Y%m%d", strict=False)
        case Type.TIMESTAMP:
            text = _where(field, rf"\A{_YEAR}{_MONTH}{_DAY}{_TIME}\z")
            yield text.str.to_datetime("%Y%m%d%H%M%S", time_unit="us", strict=False)
        case _:
            yield _where(field, rf"\A{_YEAR}{_MONTH}\z")


def _where(field: pl.Expr, pattern: str) -> pl.Expr:
    """The field where it matches, else null; named as the field."""
    return pl.when(field.str.contains(pattern)).then(field)


def _column_checks(column: Column, contract: Contract) -> Iterator[Check]:
    by_code: dict[str, list[pl.Expr]] = {}
    for code, breaks in _breaks(column, contract):
        by_code.setdefault(code, []).append(breaks)
    for code in sorted(by_code):
        yield Check(code, column.name, reduce(or_, by_code[code]).fill_null(False))


def _breaks(column: Column, contract: Contract) -> Iterator[tuple[str, pl.Expr]]:
    value = pl.col(column.name)
    if column.required:
        yield "E402", ~_present(column) & _unless_deleted(column, contract)
    if column.type not in _TEXTUAL:
        yield "E403", _present(column) & value.is_null()
    if column.min_length is not None:
        yield "E404", value.str.len_chars() < column.min_length
    if column.max_length is not None:
        yield "E404", value.str.len_chars() > column.max_length
    if column.type is Type.ID:
        yield "E405", ~value.str.contains(r"\A[0-9A-Za-z]*\z")
    if column.type is Type.TEXT:
        yield "E405", value.str.contains("[\r\0]")
    if column.type is Type.CODE:
        yield "E406", ~value.is_in(column.codes)
    for rule in column.rules:
        yield _rule_breaks(rule, column, contract)


def _unless_deleted(column: Column, contract: Contract) -> pl.Expr:
    """A row that deletes its entity needs only a few columns."""
    if contract.delete_when is None or column.name in contract.delete_needs:
        return pl.lit(True)
    return ~pl.sql_expr(contract.delete_when).fill_null(False)


def _rule_breaks(rule: Rule, column: Column, contract: Contract) -> tuple[str, pl.Expr]:
    value = pl.col(column.name)
    applies = pl.lit(True) if rule.when is None else pl.sql_expr(rule.when).fill_null(False)
    match rule.kind:
        case RuleKind.REQUIRED_WHEN:
            needed = pl.sql_expr(rule.expression).fill_null(False)
            return "E402", needed & ~_present(column) & _unless_deleted(column, contract)
        case RuleKind.ONLY_WHEN:
            return "E408", _present(column) & ~pl.sql_expr(rule.expression)
        case RuleKind.PATTERN:
            return "E405", applies & ~value.str.contains(whole_match(rule.expression))
        case RuleKind.RANGE:
            return "E407", ~pl.sql_expr(rule.expression)
        case RuleKind.RULE:
            return "E408", ~pl.sql_expr(rule.expression)
        case RuleKind.CHECK_DIGIT:
            return "E411", applies & value.is_not_null() & ~SCHEMES[rule.expression](value)
