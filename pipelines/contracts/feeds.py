"""Contracts of feeds as the folder `feeds/` of the schemas holds them: one file a feed and version.

`PAYM.yaml` is the newest version of PAYM, `PAYM@1.yaml` beside it version 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import polars as pl

from pipelines.contracts.columns import IDENTIFIER, column_fields, key_of, read_columns
from pipelines.contracts.conditions import condition
from pipelines.contracts.model import CodeList, Column, Contract, ForeignKey, Type
from pipelines.contracts.odcs import by_property, check_standard, custom_properties
from pipelines.contracts.quality_rules import read_quality
from pipelines.contracts.settings import read_delimiter, read_drop, read_limits, read_modes, read_rejects, read_sla
from pipelines.contracts.yaml_lines import Item

_Fields = dict[str, Item]

_TOP = ["apiVersion", "kind", "id", "name", "version", "status", "domain", "description"]
_LISTS = ["customProperties", "slaProperties", "schema"]
_CUSTOM = ["titleZh", "table", "stateful", "modes", "delimiter", "rejects", "limits"]
_CUSTOM_OPTIONAL = ["controlColumn", "eventTime", "deleteWhen", "deleteNeeds", "snapshotDropShare"]
_DATES = ["holdsFrom", "readUntil"]
_SLA = ["frequency", "expected", "lateAfter", "missingAfter", "retention"]
_FILE = re.compile("([A-Z]{4})(?:@([1-9][0-9]{0,3}))?")


@dataclass(frozen=True)
class Draft:
    """A contract, and the places in it that can be judged only beside others: other feeds, other versions of it.

    `places` has the items of its properties by name, and those of `version`, `frequency`, `properties` and
    `customProperties`; `columns` the keys of each column; `targets` what its foreign keys lead to.
    """

    contract: Contract
    file: str
    places: Mapping[str, Item]
    columns: Mapping[str, Mapping[str, Item]]
    targets: tuple[Item, ...]
    former: tuple[Draft, ...] = ()


def read_contract(document: Item, name: str, code_lists: Mapping[str, CodeList]) -> Draft:
    """The contract in a file `<name>.yaml`: FEED, or FEED@VERSION for a version before the newest.

    Raises ConfigurationError where it is not sound.
    """
    named = _FILE.fullmatch(name)
    if named is None:
        raise document.error("a file named FEED.yaml, or FEED@VERSION.yaml for an older version", f"{name}.yaml")
    check_standard(document)
    top = document.fields([*_TOP, *_LISTS])
    _check_top(top, named[1])
    if named[2]:
        top["version"].choice([named[2]])
    custom = custom_properties(top["customProperties"], _CUSTOM, [*_CUSTOM_OPTIONAL, *_DATES])
    table = _read_table(top["schema"], custom["table"].text(IDENTIFIER))
    columns, samples = read_columns(table["properties"], code_lists)
    relationships = [
        item.fields(["type", "from", "to"])
        for item in (table["relationships"].items() if "relationships" in table else ())
    ]
    foreign_keys = tuple(_read_foreign_key(fields, custom["table"].text(), columns) for fields in relationships)
    _check_once(fields["from"] for fields in relationships)
    contract = _contract(top, custom, table, columns, samples, foreign_keys)
    quality = read_quality(table["quality"], contract) if "quality" in table else ()
    return Draft(
        contract=replace(contract, quality=quality),
        file=document.file,
        places=custom | _places(top, table),
        columns={fields["name"].text(): fields for fields in map(column_fields, table["properties"].items())},
        targets=tuple(fields["to"] for fields in relationships),
    )


def _places(top: _Fields, table: _Fields) -> _Fields:
    """Where to point at for what is no property of the contract's own list."""
    return {
        "version": top["version"],
        "customProperties": top["customProperties"],
        "frequency": by_property(top["slaProperties"], _SLA)["frequency"],
        "properties": table["properties"],
    }


def _contract(
    top: _Fields,
    custom: _Fields,
    table: _Fields,
    columns: tuple[Column, ...],
    samples: pl.DataFrame,
    foreign_keys: tuple[ForeignKey, ...],
) -> Contract:
    key = key_of(table["properties"])
    schedule, retention_days = read_sla(top["slaProperties"])
    modes = read_modes(custom["modes"])
    delete_when, delete_needs = _read_delete(custom, key, columns, samples)
    return Contract(
        feed=top["name"].text(),
        format_version=top["version"].text("[1-9][0-9]{0,3}"),
        title_en=table["businessName"].text(),
        title_zh=custom["titleZh"].text(),
        description=table["description"].text(),
        table=custom["table"].text(),
        stateful=_read_stateful(custom["stateful"], key, columns),
        modes=modes,
        delimiter=read_delimiter(custom["delimiter"]),
        key=key,
        columns=columns,
        control_column=_read_control(custom, columns),
        delete_when=delete_when,
        delete_needs=delete_needs,
        foreign_keys=foreign_keys,
        rejects=read_rejects(custom["rejects"]),
        limits=read_limits(custom["limits"]),
        schedule=schedule,
        retention_days=retention_days,
        snapshot_drop_share=read_drop(custom, modes),
        event_time=_read_event_time(custom, columns),
        holds_from=custom["holdsFrom"].day() if "holdsFrom" in custom else None,
        read_until=custom["readUntil"].day() if "readUntil" in custom else None,
    )


def _check_top(top: _Fields, feed: str) -> None:
    """What stands at the top for readers of the standard must not contradict the file's name and this project."""
    top["apiVersion"].choice(["v3.1.0"])
    top["kind"].choice(["DataContract"])
    top["name"].choice([feed])
    top["name"].text("[A-Z]{4}")
    top["id"].choice([f"tierline.feed.{feed}"])
    top["status"].choice(["active"])
    top["domain"].text()
    for item in top["description"].fields(["purpose"], ["usage", "limitations"]).values():
        item.text()


def _read_table(schema: Item, table: str) -> _Fields:
    objects = schema.items()
    if len(objects) != 1:
        raise schema.error("one object: the records of the feed", str(len(objects)))
    required = ["name", "businessName", "logicalType", "description", "properties"]
    fields = objects[0].fields(required, ["relationships", "quality"])
    fields["name"].choice([table])
    fields["logicalType"].choice(["object"])
    return fields


def _read_foreign_key(fields: _Fields, table: str, columns: tuple[Column, ...]) -> ForeignKey:
    fields["type"].choice(["foreignKey"])
    column = fields["from"].choice([f"{table}.{column.name}" for column in columns]).removeprefix(f"{table}.")
    feed, to_column = fields["to"].text(r"[A-Z]{4}\.[a-z][a-z0-9_]*").split(".")
    return ForeignKey(column, feed, to_column)


def _check_once(columns: Iterable[Item]) -> None:
    """A column leads to one feed, so that an orphan is one of that feed."""
    seen: set[str] = set()
    for item in columns:
        if item.text() in seen:
            raise item.error("every column once", f"{item.text()} twice")
        seen.add(item.text())


def _read_stateful(item: Item, key: tuple[str, ...], columns: tuple[Column, ...]) -> bool:
    """A history needs to know whose state a record tells, since when, and whether it was the last."""
    types = {column.name: column.type for column in columns}
    if item.flag() and (
        len(key) != 2 or key[1] != "op_time" or types["op_time"] != Type.TIMESTAMP or "op" not in types
    ):
        raise item.error("true only with a column op and a key of one column and the timestamp op_time", "true without")
    return item.flag()


def _read_control(custom: _Fields, columns: tuple[Column, ...]) -> str | None:
    """The column whose sum the trailer tells; a sum needs numbers."""
    if "controlColumn" not in custom:
        return None
    return custom["controlColumn"].choice(
        [column.name for column in columns if column.type in (Type.INTEGER, Type.MONEY)]
    )


def _read_event_time(custom: _Fields, columns: tuple[Column, ...]) -> str | None:
    """The column that tells how fresh a cycle is."""
    if "eventTime" not in custom:
        return None
    return custom["eventTime"].choice([column.name for column in columns if column.type is Type.TIMESTAMP])


def _read_delete(
    custom: _Fields, key: tuple[str, ...], columns: tuple[Column, ...], samples: pl.DataFrame
) -> tuple[str | None, tuple[str, ...]]:
    """Which rows delete, and which columns even these need: the key at least."""
    if ("deleteWhen" in custom) != ("deleteNeeds" in custom):
        alone = custom["deleteWhen" if "deleteWhen" in custom else "deleteNeeds"]
        raise alone.error("deleteWhen and deleteNeeds together", "one without the other")
    if "deleteWhen" not in custom:
        return None, ()
    needs = custom["deleteNeeds"].texts(column.name for column in columns)
    if missing := [name for name in key if name not in needs]:
        raise custom["deleteNeeds"].error("every column of the key", f"none named {missing[0]}")
    return condition(custom["deleteWhen"], samples), needs
