"""Columns of a contract, with their rules, from the properties of its schema."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from pipelines.contracts.conditions import CONTEXT_TYPES, condition, pattern, sample_rows
from pipelines.contracts.model import CodeList, Column, Rule, RuleKind, Type
from pipelines.contracts.odcs import custom_properties
from pipelines.contracts.yaml_lines import Item

IDENTIFIER = "[a-z][a-z0-9_]*"
CHECK_DIGIT_SCHEMES = ("gb11643", "gb32100")
MASKS = ("phone", "number", "name", "email", "hidden")  # number: only what looks like a service number
_LOGICAL_TYPES = {Type.INTEGER: "integer", Type.MONEY: "integer", Type.DATE: "date", Type.TIMESTAMP: "timestamp"}
_ID_LENGTHS = (6, 20)
_REQUIRED_KEYS = ["name", "businessName", "description", "logicalType", "physicalType", "customProperties"]
_OPTIONAL_KEYS = ["logicalTypeOptions", "primaryKey", "primaryKeyPosition", "required", "classification", "quality"]
# Names that staged and core tables, or conditions, already use for something else.
_TAKEN = {*CONTEXT_TYPES, "batch_stem", "line", "is_current", "valid_from", "valid_to"}


def read_columns(properties: Item, code_lists: Mapping[str, CodeList]) -> tuple[tuple[Column, ...], pl.DataFrame]:
    """The columns in the order of the file, and rows to try further conditions on."""
    types: dict[str, Type] = {}
    for item in properties.items():
        fields = column_fields(item)
        name = fields["name"].text(IDENTIFIER)
        if name in types:
            raise fields["name"].error("every column once", f"{name} twice")
        if name in _TAKEN:
            raise fields["name"].error("a name that the warehouse does not use itself")
        types[name] = Type(fields["physicalType"].choice(Type))
    samples = sample_rows(types)
    return tuple(_read_column(column_fields(item), code_lists, samples) for item in properties.items()), samples


def column_fields(item: Item) -> dict[str, Item]:
    """The keys of one property of the schema, none missing and none unknown."""
    return item.fields(_REQUIRED_KEYS, _OPTIONAL_KEYS)


def key_of(properties: Item) -> tuple[str, ...]:
    """The columns of the primary key in the order of their positions, all of them required."""
    positions: dict[int, str] = {}
    for fields in map(column_fields, properties.items()):
        if ("primaryKey" in fields) != ("primaryKeyPosition" in fields):
            raise fields["name"].error("primaryKey and primaryKeyPosition together", "one without the other")
        if "primaryKey" not in fields:
            continue
        position = fields["primaryKeyPosition"]
        if not fields["primaryKey"].flag() or "required" not in fields or not fields["required"].flag():
            raise fields["primaryKey"].error("true, and required: true, for a column of the key")
        if position.whole(1) in positions:
            raise position.error("every position once", f"{position.value} twice")
        positions[position.whole(1)] = fields["name"].text()
    if sorted(positions) != list(range(1, len(positions) + 1)) or not positions:
        raise properties.error("the positions of a primary key from 1 on without gaps", str(sorted(positions)))
    return tuple(positions[position] for position in sorted(positions))


def _read_column(fields: dict[str, Item], code_lists: Mapping[str, CodeList], samples: pl.DataFrame) -> Column:
    column_type = Type(fields["physicalType"].text())
    fields["logicalType"].choice([_LOGICAL_TYPES.get(column_type, "string")])
    custom = custom_properties(fields["customProperties"], ["titleZh"], ["mask", "codeList", "codes"])
    shortest, longest = _lengths(fields, column_type)
    code_list = _code_list(fields, custom, column_type, code_lists)
    mask = _mask(fields, custom)
    return Column(
        name=fields["name"].text(),
        type=column_type,
        title_en=fields["businessName"].text(),
        title_zh=custom["titleZh"].text(),
        description=fields["description"].text(),
        required="required" in fields and fields["required"].flag(),
        personal=mask is not None,
        mask=mask,
        min_length=shortest,
        max_length=longest,
        code_list=code_list,
        codes=_codes(custom, code_list),
        rules=tuple(_read_rule(item, samples) for item in fields["quality"].items()) if "quality" in fields else (),
    )


def _lengths(fields: dict[str, Item], column_type: Type) -> tuple[int | None, int | None]:
    """Characters, at least and at most; an id has lengths of its own where none are given."""
    shortest, longest = _ID_LENGTHS if column_type is Type.ID else (None, None)
    item = fields.get("logicalTypeOptions")
    if item is None:
        return shortest, longest
    if column_type not in (Type.TEXT, Type.ID):
        raise item.error("lengths for columns of type text or id only", f"them for type {column_type}")
    options = item.fields([], ["minLength", "maxLength"])
    shortest = options["minLength"].whole(1) if "minLength" in options else shortest
    longest = options["maxLength"].whole(1) if "maxLength" in options else longest
    if shortest is not None and longest is not None and shortest > longest:
        raise item.error("minLength not above maxLength", f"{shortest} and {longest}")
    return shortest, longest


def _mask(fields: dict[str, Item], custom: dict[str, Item]) -> str | None:
    """How personal data is shown; what is personal says how, and only that is masked."""
    if "classification" not in fields:
        if "mask" in custom:
            raise custom["mask"].error("classification: personal beside a mask", "none")
        return None
    fields["classification"].choice(["personal"])
    if "mask" not in custom:
        raise fields["classification"].error("the property mask beside it", "none")
    return custom["mask"].choice(MASKS)


def _code_list(
    fields: dict[str, Item], custom: dict[str, Item], column_type: Type, code_lists: Mapping[str, CodeList]
) -> CodeList | None:
    if (column_type is Type.CODE) != ("codeList" in custom):
        raise fields["physicalType"].error("the property codeList for type code and for no other")
    return code_lists[custom["codeList"].choice(code_lists)] if "codeList" in custom else None


def _codes(custom: dict[str, Item], code_list: CodeList | None) -> tuple[str, ...]:
    """The codes allowed in a column, in the order of the contract: its own choice, or the whole list."""
    known = [code.value for code in code_list.codes] if code_list else []
    if "codes" not in custom:
        return tuple(known)
    if code_list is None:
        raise custom["codes"].error("the property codeList beside codes", "none")
    return custom["codes"].texts(known)


def _read_rule(item: Item, samples: pl.DataFrame) -> Rule:
    fields = item.fields(["type", "engine", "description", "implementation"])
    fields["type"].choice(["custom"])
    fields["engine"].choice(["tierline"])
    implementation = fields["implementation"].fields([], [*RuleKind, "when"])
    kinds = [name for name in implementation if name != "when"]
    if len(kinds) != 1:
        raise fields["implementation"].error("exactly one kind of rule", ", ".join(kinds) or "none")
    kind = RuleKind(kinds[0])
    if "when" in implementation and kind not in (RuleKind.PATTERN, RuleKind.CHECK_DIGIT):
        raise implementation["when"].error("when beside pattern or check_digit only", f"it beside {kind}")
    return Rule(
        kind=kind,
        expression=_expression(kind, implementation[kind], samples),
        description=fields["description"].text(),
        when=condition(implementation["when"], samples) if "when" in implementation else None,
    )


def _expression(kind: RuleKind, item: Item, samples: pl.DataFrame) -> str:
    if kind is RuleKind.PATTERN:
        return pattern(item)
    if kind is RuleKind.CHECK_DIGIT:
        return item.choice(CHECK_DIGIT_SCHEMES)
    return condition(item, samples)
