"""The pages of feeds and code lists, from the contracts that ship."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.contracts.differences import duration
from pipelines.contracts.model import CodeList, Column, Contract, Contracts, Type
from pipelines.reference.markdown import table

_ABOUT_FEEDS = """\
The feeds whose contracts ship, field by field in their order, newest version. What all files have in common is in
[the file interface](../producers/README.md). Of an installation with contracts of its own: `tierline feeds show PAYM`.
"""
_ABOUT_CODES = """\
The codes that ship, in `schemas/codes/`. What a column allows of its list is in [feeds](feeds.md);
`tierline feeds show PAYM` has both.
"""
_FORMS = {
    Type.TEXT: "text",
    Type.ID: "letters and digits",
    Type.CODE: "code",
    Type.INTEGER: "whole number",
    Type.MONEY: "whole fen",
    Type.DATE: "`YYYYMMDD`",
    Type.TIMESTAMP: "`YYYYMMDDHHMMSS`",
    Type.MONTH: "`YYYYMM`",
}


def feeds(contracts: Contracts) -> Iterator[str]:
    """Every feed with its fields in their order."""
    yield _ABOUT_FEEDS
    for contract in contracts.feeds:
        yield from _feed(contract)


def _feed(contract: Contract) -> Iterator[str]:
    yield f"## {contract.feed} {contract.title_en} {contract.title_zh}\n"
    schedule, limits = contract.schedule, contract.limits
    modes = " or ".join({"I": "`I` increments", "F": "`F` full snapshots"}[mode] for mode in contract.modes)
    yield f"{contract.description}\n"
    yield from table(
        ["", ""],
        [
            ["format version", f"`{contract.format_version}`"],
            ["cadence", f"{schedule.cadence}: `CYCLE` is {_CYCLES[schedule.cadence.value]}"],
            ["mode", modes],
            ["key", ", ".join(f"`{name}`" for name in contract.key)],
            ["control total", f"sum of `{contract.control_column}`" if contract.control_column else "`0`"],
            [
                "expected",
                f"{duration(schedule.expected_s)} after the end of the cycle; late {duration(schedule.late_after_s)}, "
                f"missing {duration(schedule.missing_after_s)} after that",
            ],
            *_deleting(contract),
            *_shrinking(contract),
            ["rejected rows allowed", f"{contract.rejects.rows} or {contract.rejects.share:.1%}, and never all (E501)"],
            [
                "limits",
                f"{limits.file_bytes >> 20} MiB a file, {limits.line_bytes >> 10} KiB a line, "
                f"gzip ratio {limits.gzip_ratio}",
            ],
            ["kept", f"{contract.retention_days} days"],
            ["table", f"`core.{contract.table}`"],
        ],
    )
    yield from table(
        ["field", "column", "form", "required", "meaning and rules"],
        [
            [str(number), f"`{column.name}`", _form(column), "yes" if column.required else "", _rules(column)]
            for number, column in enumerate(contract.columns, start=1)
        ],
    )


def _deleting(contract: Contract) -> list[list[str]]:
    if contract.delete_when is None:
        return []
    needed = ", ".join(f"`{name}`" for name in contract.delete_needs)
    row = f"`{contract.delete_when}`; it needs only {needed}: the other fields may be empty, all delimiters stay"
    return [["a row that deletes", row]]


def _shrinking(contract: Contract) -> list[list[str]]:
    if contract.snapshot_drop_share is None:
        return []
    return [["a full snapshot may shrink by", f"{contract.snapshot_drop_share:.1%}, else it is held (E505)"]]


_CYCLES = {"hourly": "`YYYYMMDDHH`", "daily": "`YYYYMMDD`", "monthly": "`YYYYMM`"}


def _form(column: Column) -> str:
    if column.code_list is not None:
        return f"[{column.code_list.name}](code-lists.md#{column.code_list.name})"
    least, most = column.min_length, column.max_length
    length = f", {least} to {most}" if least and most else f", at most {most}" if most else ""
    return _FORMS[column.type] + length + (" characters" if length else "")


def _rules(column: Column) -> str:
    all_codes = tuple(code.value for code in column.code_list.codes) if column.code_list else ()
    narrowed = [f"only {' '.join(column.codes)}"] if column.code_list and column.codes != all_codes else []
    sentences = [f"{column.title_zh}. {column.description}", *(rule.description for rule in column.rules), *narrowed]
    return "; ".join(each.rstrip(".") for each in sentences)


def code_lists(contracts: Contracts) -> Iterator[str]:
    """Every code list."""
    yield _ABOUT_CODES
    for code_list in sorted(contracts.code_lists, key=lambda each: each.name):
        yield from _code_list(code_list)


def _code_list(code_list: CodeList) -> Iterator[str]:
    yield f"## {code_list.name}\n"
    yield f"{code_list.title_en} {code_list.title_zh}\n"
    rows = [[f"`{code.value}`", code.title_en, code.title_zh] for code in code_list.codes]
    yield from table(["code", "English", "中文"], rows)
