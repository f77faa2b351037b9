"""The versions of a feed's contract beside each other: which is the newest, from when it holds, what all agree in.

What the warehouse is built on (table, key, types, masks) and what a feed is (modes, cadence, what deletes) never
changes with a version: core holds the rows of all versions in one table. A feed that changes in these is another feed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from pipelines.contracts.feeds import Draft
from pipelines.contracts.model import Contract
from pipelines.contracts.yaml_lines import Item

# Where a disagreement is pointed at, and what it is about, as the contracts write it.
_OF_CORE: tuple[tuple[str, Callable[[Contract], str]], ...] = (
    ("table", lambda contract: contract.table),
    ("stateful", lambda contract: str(contract.stateful).lower()),
    ("deleteWhen", lambda contract: contract.delete_when or "none"),
    ("deleteNeeds", lambda contract: ", ".join(sorted(contract.delete_needs)) or "none"),
    ("properties", lambda contract: f"the key {', '.join(contract.key)}"),
)
_SHARED = (
    *_OF_CORE,
    ("modes", lambda contract: ", ".join(sorted(contract.modes))),
    ("frequency", lambda contract: contract.schedule.cadence.value),
)


def core_terms(contract: Contract) -> dict[str, str]:
    """What the rows of a feed in core rest on, by the contract's keys: never another while there are any."""
    return {key: value(contract) for key, value in _OF_CORE}


def join_versions(drafts: Iterable[Draft]) -> list[Draft]:
    """The newest version of each feed, in the order of feeds, holding the versions before it.

    Raises ConfigurationError, pointing at the newer of two, where versions do not fit each other.
    """
    by_feed: dict[str, list[Draft]] = {}
    for draft in drafts:
        by_feed.setdefault(draft.contract.feed, []).append(draft)
    return [_join(by_feed[feed]) for feed in sorted(by_feed)]


def _join(drafts: list[Draft]) -> Draft:
    newest = [draft for draft in drafts if "@" not in draft.file]
    former = sorted((draft for draft in drafts if "@" in draft.file), key=_number)
    if not newest:
        beside = former[-1].file.partition("@")[0]
        raise former[-1].places["version"].error(f"the newest version of its feed beside it, as {beside}.yaml", "none")
    ordered = [*former, newest[0]]
    _check_dates(ordered)
    for older, newer in pairwise(ordered):
        _check_pair(older, newer)
    for place, newer in enumerate(ordered):
        for older in ordered[:place]:  # a column may have been away for a version
            _check_columns(older, newer)
    return _holding(newest[0], tuple(former))


def _holding(newest: Draft, former: tuple[Draft, ...]) -> Draft:
    """What is no matter of files is the newest's: when cycles are due, how long files are kept, how cycles look."""
    contract = newest.contract
    versions = tuple(
        replace(
            draft.contract,
            schedule=contract.schedule,
            retention_days=contract.retention_days,
            snapshot_drop_share=contract.snapshot_drop_share,
            event_time=contract.event_time,
            quality=contract.quality,
        )
        for draft in former
    )
    return replace(newest, contract=replace(contract, former=versions), former=former)


def _number(draft: Draft) -> int:
    return int(draft.contract.format_version)


def _place(draft: Draft, key: str) -> Item:
    """Where a property stands, or should stand."""
    return draft.places.get(key) or replace(draft.places["customProperties"], key=key)


def _check_dates(ordered: list[Draft]) -> None:
    """Every version but the first says since when, every version but the last may say until when."""
    first, last = ordered[0], ordered[-1]
    if first.contract.holds_from is not None:
        raise _place(first, "holdsFrom").error("no such property, for there is no older version beside it")
    if last.contract.read_until is not None:
        raise _place(last, "readUntil").error("no such property in the newest version")
    for older, newer in pairwise(ordered):
        _check_turn(older, newer)


def _check_turn(older: Draft, newer: Draft) -> None:
    begins, before, ends = newer.contract.holds_from, older.contract.holds_from, older.contract.read_until
    if begins is None:
        expected = f"the property holdsFrom, the first day of cycles in it, for there is the older {older.file}"
        raise _place(newer, "holdsFrom").error(expected, "none")
    if before is not None and begins <= before:
        raise _place(newer, "holdsFrom").error(f"a day after {before}, the one in {older.file}")
    if ends is not None and ends < begins - timedelta(days=1):
        expected = f"a day not before {begins - timedelta(days=1)}, for {newer.file} holds from {begins} on"
        raise _place(older, "readUntil").error(expected)


def _check_pair(older: Draft, newer: Draft) -> None:
    if _number(newer) <= _number(older):
        raise newer.places["version"].error(f"a version above {_number(older)}, that of {older.file}")
    for key, value in _SHARED:
        was, found = value(older.contract), value(newer.contract)
        if found != was:
            raise _place(newer, key).error(f"{was} in every version, as in {older.file}", found)


def _check_columns(older: Draft, newer: Draft) -> None:
    """A column that stays is the same column: core has it once, and readers see it masked in one way."""
    for column in newer.contract.columns:
        if column.name not in older.contract.column_names:
            continue
        was, fields = older.contract.column(column.name), newer.columns[column.name]
        if column.type is not was.type:
            raise fields["physicalType"].error(f"{was.type} in every version, as in {older.file}")
        if column.mask != was.mask:
            place = replace(fields["customProperties"], key="mask")
            raise place.error(f"{was.mask or 'none'} in every version, as in {older.file}", column.mask or "none")
