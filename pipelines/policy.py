"""The policy: every number of tiers, warnings, classes, value, KPIs, calls and quality, by source, as frozen values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipelines.contracts.load import load_contracts
from pipelines.contracts.model import Contracts
from pipelines.contracts.yaml_lines import Item, read_yaml
from pipelines.policy_checks import check_codes, check_common, check_values
from pipelines.policy_shape import COMMON, SHAPE, Entry, read_shape

_SOURCE = "[0-9]{3}"


@dataclass(frozen=True)
class Policy:
    """The values of a policy file by dotted name (`tiers.D.spend_fen`): of all sources, and of those that differ.

    Amounts are fen, rates `Decimal` fractions, times of day `HH:MM` in Asia/Shanghai; code lists are tuples, bands
    tuples of `Band`. Of a source that overrides anything, `sources` holds all values, not only the changed ones.
    """

    version: str
    default: Mapping[str, Any]
    sources: Mapping[str, Mapping[str, Any]]

    def of(self, source: str) -> Mapping[str, Any]:
        """The values that hold for a source; for one without overrides, and for `ALL`, the default."""
        return self.sources.get(source, self.default)


def load_policy(path: Path, contracts: Contracts | None = None) -> Policy:
    """The policy that a YAML file holds, checked as a whole and once more for every source that overrides something.

    Raises ConfigurationError that names file, line, key, what is expected and what was found: for an unknown or
    missing key, a wrong type, unit or range, a code that the lists of `contracts` (by default those that ship) do not
    have, tiers, bands or levels out of order or overlapping, and sums that do not add up. The numbers of the default
    policy are those of the requirements for tiers and KPIs. Of `history` and `quality` all sources have the same.
    """
    document = read_yaml(path, path.name)
    fields = document.fields(["version", *COMMON, *SHAPE], ["sources"])
    contracts = contracts or load_contracts()
    common = _common(fields)
    base = replace(document, key="policy", value={name: fields[name] for name in SHAPE})
    default = _effective(base, common, contracts)
    sources = {
        source: _effective(replace(_merged(base, override), key=override.key), common, contracts)
        for source, override in _overrides(fields.get("sources"))
    }
    return Policy(fields["version"].text(), default, MappingProxyType(sources))


def _common(fields: Mapping[str, Item]) -> Mapping[str, Any]:
    """What is the same for all sources."""
    entries: dict[str, Entry] = {}
    for section, shape in COMMON.items():
        entries |= read_shape(fields[section], shape, f"{section}.")
    check_common(entries)
    return {name: entry.value for name, entry in entries.items()}


def _effective(item: Item, common: Mapping[str, Any], contracts: Contracts) -> Mapping[str, Any]:
    entries = dict(read_shape(item, SHAPE))
    check_values(entries)
    check_codes(entries, contracts)
    return MappingProxyType({**common, **{name: entry.value for name, entry in entries.items()}})


def _overrides(item: Item | None) -> Iterator[tuple[str, Item]]:
    if item is None:
        return
    if not isinstance(item.value, dict):
        raise item.error("a mapping from sources to what differs for them")
    for source, override in item.value.items():
        replace(override, value=source).text(_SOURCE)
        for section in COMMON:
            if isinstance(override.value, dict) and section in override.value:
                expected = f"what a source may override ({section} is one for all sources)"
                raise override.value[section].error(expected, section)
        override.fields([], SHAPE)
        yield source, replace(override, key=f"sources.{source}")


def _merged(base: Item, change: Item) -> Item:
    """`change` laid over `base`, key by key; whatever is no mapping is replaced, and keeps its own line."""
    if not isinstance(base.value, dict) or not isinstance(change.value, dict):
        return change
    fields = dict(base.value)
    for name, item in change.value.items():
        fields[name] = _merged(fields[name], item) if name in fields else item
    return replace(change, value=fields)
