"""What changes in the columns of a feed from one contract to another, with what follows from it for rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from pipelines.contracts.conditions import POLARS_TYPES
from pipelines.contracts.model import Column, Contract, Rule, RuleKind

# The code of a row that breaks a rule (file interface, section 5).
_CODE_OF = {
    RuleKind.REQUIRED_WHEN: "E402",
    RuleKind.ONLY_WHEN: "E408",
    RuleKind.PATTERN: "E405",
    RuleKind.RANGE: "E407",
    RuleKind.RULE: "E408",
    RuleKind.CHECK_DIGIT: "E411",
}


@dataclass(frozen=True)
class Difference:
    """One thing that differs: what it is, its value before and after (None: it is not there), and what follows."""

    what: str
    was: str | None
    becomes: str | None
    effect: str


def column_differences(was: Contract, becomes: Contract, newest: Contract) -> Iterator[Difference]:
    """Columns added, removed, moved and changed; `newest` tells what the warehouse keeps."""
    for column in becomes.columns:
        if column.name not in was.column_names:
            yield _added(was, becomes, column)
    stored = {column.name for column in newest.stored_columns}
    for column in was.columns:
        if column.name not in becomes.column_names:
            yield _removed(was, becomes, column, is_stored=column.name in stored)
    yield from _moved(was, becomes)
    for column in becomes.columns:
        if column.name in was.column_names:
            yield from _changed(was.column(column.name), column, becomes)


def _added(was: Contract, becomes: Contract, column: Column) -> Difference:
    if was.format_version == becomes.format_version:
        effect = "rows without the field will be rejected: E401"
    else:
        effect = f"files of version {was.format_version} lack it: null"
    if column.required:
        effect += "; rows where it is empty will be rejected: E402"
    return Difference(f"column {column.name}", None, _described(becomes, column), effect)


def _removed(was: Contract, becomes: Contract, column: Column, *, is_stored: bool) -> Difference:
    effect = f"core.{becomes.table} keeps it; rows of version {becomes.format_version} lack it: null"
    if not is_stored:
        effect = (
            f"core.{becomes.table} has it and no version knows it: nothing loads until {was.feed}@"
            f"{was.format_version}.yaml stands beside the contract, or the warehouse is made anew"
        )
    return Difference(f"column {column.name}", _described(was, column), None, effect)


def _moved(was: Contract, becomes: Contract) -> Iterator[Difference]:
    """Columns that changed places with others; what only shifts, because others came or went, is not moved."""
    before = [name for name in was.column_names if name in becomes.column_names]
    after = [name for name in becomes.column_names if name in was.column_names]
    stay: set[str] = set()
    for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        stay |= set(before[block.a : block.a + block.size])
    for name in after:
        if name not in stay:
            effect = f"rows of version {becomes.format_version} have it there; a row in the old order fails its checks"
            yield Difference(f"column {name}, place", _place(was, name), _place(becomes, name), effect)


def _changed(was: Column, becomes: Column, contract: Contract) -> Iterator[Difference]:
    name = f"column {becomes.name}"
    if was.type is not becomes.type:
        yield Difference(f"{name}, type", was.type, becomes.type, _type_effect(was, becomes, contract))
    if was.required != becomes.required:
        empty = "will be rejected: E402" if becomes.required else "are accepted: null"
        before, after = str(was.required).lower(), str(becomes.required).lower()
        yield Difference(f"{name}, required", before, after, f"rows where it is empty {empty}")
    if _lengths(was) != _lengths(becomes):
        yield Difference(f"{name}, length", _lengths(was), _lengths(becomes), _length_effect(was, becomes))
    if set(was.codes) != set(becomes.codes):
        yield Difference(f"{name}, codes", " ".join(was.codes), " ".join(becomes.codes), _code_effect(was, becomes))
    if was.mask != becomes.mask:
        shown = f"masked as {becomes.mask}" if becomes.mask else "in the clear"
        yield Difference(
            f"{name}, mask", was.mask, becomes.mask, f"readers see it {shown} from the next publication on"
        )
    yield from _rules(was, becomes)
    for what in ("title_en", "title_zh", "description"):
        before, after = getattr(was, what), getattr(becomes, what)
        if before != after:
            yield Difference(f"{name}, {what}", before, after, "wording only; rows are judged as before")


def _type_effect(was: Column, becomes: Column, contract: Contract) -> str:
    effect = "rows whose value cannot be read as one will be rejected: E403"
    if POLARS_TYPES[was.type] != POLARS_TYPES[becomes.type]:
        effect += f"; core.{contract.table} holds the old type: give a new column, or the warehouse is made anew"
    return effect


def _length_effect(was: Column, becomes: Column) -> str:
    low, high = (was.min_length or 0, was.max_length), (becomes.min_length or 0, becomes.max_length)
    rejected = ["shorter"] if high[0] > low[0] else []
    if high[1] is not None and (low[1] is None or high[1] < low[1]):
        rejected.append("longer")
    if rejected:
        return f"rows with a {' or '.join(rejected)} value will be rejected: E404"
    return "rows that were rejected E404 for it are accepted"


def _code_effect(was: Column, becomes: Column) -> str:
    gone = [code for code in was.codes if code not in becomes.codes]
    new = [code for code in becomes.codes if code not in was.codes]
    effects = [f"rows with {', '.join(gone)} will be rejected: E406"] if gone else []
    return "; ".join([*effects, f"rows with {', '.join(new)} are accepted"] if new else effects)


def _rules(was: Column, becomes: Column) -> Iterator[Difference]:
    """Rules that judge otherwise; one with a counterpart of its kind is changed, else it came or went."""
    gone = [rule for rule in was.rules if _judges(rule) not in map(_judges, becomes.rules)]
    for rule in becomes.rules:
        what, code = f"column {becomes.name}, {rule.kind}", _CODE_OF[rule.kind]
        same = next((each for each in was.rules if _judges(each) == _judges(rule)), None)
        if same is not None:
            if same.description != rule.description:
                yield Difference(what, _told(same), _told(rule), "wording only; rows are judged as before")
            continue
        former = next((each for each in gone if each.kind is rule.kind), None)
        if former is not None:
            gone.remove(former)
        yield Difference(what, _told(former), _told(rule), f"rows that break it will be rejected: {code}")
    for rule in gone:
        effect = f"rows that were rejected {_CODE_OF[rule.kind]} for it are accepted"
        yield Difference(f"column {becomes.name}, {rule.kind}", _told(rule), None, effect)


def _judges(rule: Rule) -> tuple[str, str, str | None]:
    return rule.kind, rule.expression, rule.when


def _told(rule: Rule | None) -> str | None:
    if rule is None:
        return None
    return f"{rule.description} ({rule.expression}{f', when {rule.when}' if rule.when else ''})"


def _described(contract: Contract, column: Column) -> str:
    lengths = _lengths(column)
    parts = [_place(contract, column.name), column.type, f"of {lengths} characters" if lengths else ""]
    return " ".join([*(part for part in parts if part), *(["required"] if column.required else [])])


def _place(contract: Contract, name: str) -> str:
    return f"field {contract.column_names.index(name) + 1}"


def _lengths(column: Column) -> str | None:
    if column.min_length is None and column.max_length is None:
        return None
    return f"{column.min_length or 0} to {'any' if column.max_length is None else column.max_length}"
