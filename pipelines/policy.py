"""The policy: every number of tiers, warnings, classes, value, KPIs and calls, for each source, as frozen values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipelines.contracts.yaml_lines import Item, read_yaml
from pipelines.policy_checks import check_values
from pipelines.policy_shape import HISTORY, SHAPE, read_shape

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


def load_policy(path: Path) -> Policy:
    """The policy that a YAML file holds, checked as a whole and once more for every source that overrides something.

    Raises ConfigurationError that names file, line, key, what is expected and what was found: for an unknown or
    missing key, a wrong type, unit or range, tiers, bands or levels out of order or overlapping, and sums that do
    not add up. The numbers of the default policy are those of the requirements for tiers and KPIs.
    """
    document = read_yaml(path, path.name)
    fields = document.fields(["version", "history", *SHAPE], ["sources"])
    entries = read_shape(fields["history"], HISTORY, "history.")
    history = {name: entry.value for name, entry in entries}
    base = replace(document, key="policy", value={name: fields[name] for name in SHAPE})
    default = _effective(base, history)
    sources = {
        source: _effective(replace(_merged(base, override), key=override.key), history)
        for source, override in _overrides(fields.get("sources"))
    }
    return Policy(fields["version"].text(), default, MappingProxyType(sources))


def _effective(item: Item, history: Mapping[str, Any]) -> Mapping[str, Any]:
    entries = dict(read_shape(item, SHAPE))
    check_values(entries)
    return MappingProxyType({**history, **{name: entry.value for name, entry in entries.items()}})


def _overrides(item: Item | None) -> Iterator[tuple[str, Item]]:
    if item is None:
        return
    if not isinstance(item.value, dict):
        raise item.error("a mapping from sources to what differs for them")
    for source, override in item.value.items():
        replace(override, value=source).text(_SOURCE)
        fields = override.fields([], [*SHAPE, "history"])
        if "history" in fields:
            raise fields["history"].error("what a source may override (history is one for all sources)", "history")
        yield source, replace(override, key=f"sources.{source}")


def _merged(base: Item, change: Item) -> Item:
    """`change` laid over `base`, key by key; whatever is no mapping is replaced, and keeps its own line."""
    if not isinstance(base.value, dict) or not isinstance(change.value, dict):
        return change
    fields = dict(base.value)
    for name, item in change.value.items():
        fields[name] = _merged(fields[name], item) if name in fields else item
    return replace(change, value=fields)
