"""The page of the lists that receivers get, column by column, from the models that make them."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.contracts.model import Contracts
from pipelines.lists import LISTS, ListKind
from pipelines.reference.markdown import table
from warehouse.dictionary import Column, Table, describe

_ABOUT_LISTS = """\
The lists that go to receivers, column by column in their order. What all files have in common, and how full lists,
increments and versions go together, is in [for receivers](../receivers/README.md). As they stand in the warehouse:
`tierline query "from list.tier limit 5"`; of what each column is made: `tierline dictionary`. Entries of the IVR, skill
groups, actions, advice and hours are what [the policy](../policy.md) sets.
"""
_FORMS = {
    "VARCHAR": "text",
    "BIGINT": "whole number",
    "INTEGER": "whole number",
    "DOUBLE": "number with a decimal point",
    "DECIMAL(18,6)": "number with six decimals",
    "DATE": "`YYYYMMDD`",
    "TIMESTAMP": "`YYYYMMDDHHMMSS`",
}
_SOURCE = "source"  # by which lists are parted: in the name, and in a list of months also in the rows


def lists(contracts: Contracts) -> Iterator[str]:
    """Every list with its columns in their order."""
    yield _ABOUT_LISTS
    described = {f"{each.schema}.{each.name}": each for each in describe(contracts)}
    for kind in LISTS:
        yield from _list(kind, described[kind.table])


def _list(kind: ListKind, made: Table) -> Iterator[str]:
    yield f"## {kind.name}\n"
    modes = "`F` full lists and `I` increments" if kind.key else "`F` full lists"
    yield from table(
        ["", ""],
        [
            ["what", made.english.partition(": ")[2].rstrip(".")],
            ["mode", modes],
            ["cycle", "`YYYYMM`: the last closed month" if kind.is_monthly else "`YYYYMMDD`: the as-of date"],
            ["grain", made.grain],
            ["key", ", ".join(f"`{name}`" for name in made.key.split(", "))],
        ],
    )
    columns = [column for column in made.columns if column.name != _SOURCE or kind.is_monthly]
    rows = [
        [str(number), f"`{column.name}`", _form(column), f"{column.chinese}. {column.english}".rstrip(".")]
        for number, column in enumerate(columns, start=1)
    ]
    yield from table(["field", "column", "form", "meaning"], rows)


def _form(column: Column) -> str:
    return "whole fen" if column.name.endswith("_fen") else _FORMS[column.type]
