"""The parts of the Open Data Contract Standard that our contracts are written in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import ValidationError

from pipelines.contracts.yaml_lines import Item


def check_standard(document: Item) -> None:
    """Check a contract against the standard's own model; raises ConfigurationError at the first place that differs."""
    try:
        OpenDataContractStandard.model_validate(document.plain(), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = _at(document, first["loc"])
        if first["type"] == "extra_forbidden":
            raise place.error("a key of the Open Data Contract Standard", f"the unknown key {place.key}") from error
        problem = first["msg"].removeprefix("Input should be ")
        raise place.error(f"{problem} (Open Data Contract Standard)") from error


def custom_properties(item: Item, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Item]:
    """The values of a list of custom properties by name, each standing under its property's name."""
    entries = by_property(item, required, optional).items()
    return {name: replace(entry.fields(["property", "value"])["value"], key=name) for name, entry in entries}


def by_property(item: Item, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Item]:
    """The entries of a list by their `property`: all required ones, no unknown one, none twice."""
    required = list(required)
    known = [*required, *optional]
    found: dict[str, Item] = {}
    for entry in item.items():
        if not isinstance(entry.value, dict) or "property" not in entry.value:
            raise entry.error("a mapping with the key property")
        label = entry.value["property"]
        name = label.choice(known)
        if name in found:
            raise label.error("every property once", f"{name} twice")
        found[name] = replace(entry, key=name)
    for name in required:
        if name not in found:
            raise replace(item, key=name).error(f"the property {name} in {item.key}", "none")
    return found


def _at(item: Item, path: tuple[int | str, ...]) -> Item:
    """The item at a path of keys and positions, as far as it leads; the rest names alternatives of the model."""
    for part in path:
        if isinstance(item.value, dict) and part in item.value:
            item = item.value[str(part)]
        elif isinstance(item.value, tuple) and isinstance(part, int) and part < len(item.value):
            item = item.value[part]
    return item
