"""Settings of a feed beside its columns: modes, delimiter, limits, deadlines, how long its files are kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pipelines.contracts.model import Cadence, Limits, Mode, Rejects, Schedule
from pipelines.contracts.odcs import by_property
from pipelines.contracts.yaml_lines import Item

_TIMES = ("expected", "lateAfter", "missingAfter")
_UNIT_S = {"s": 1, "min": 60, "h": 3600, "d": 86400}
# Wide enough for any contract, narrow enough to reckon with.
_MOST_DAYS = 36_500
_MOST_LINE_BYTES = 64 << 20  # a line is held whole, several times over


def read_modes(item: Item) -> tuple[Mode, ...]:
    """The modes in which files of the feed may come."""
    return tuple(Mode(mode) for mode in item.texts(Mode))


def read_delimiter(item: Item) -> str:
    """One ASCII character that no number, code or line end can hold."""
    delimiter = item.value
    if (
        not isinstance(delimiter, str)
        or len(delimiter) != 1
        or not delimiter.isascii()
        or delimiter.isalnum()
        or delimiter in "-_\r\n\0"
    ):
        raise item.error("exactly one ASCII character other than a letter, digit, hyphen, underscore or line end")
    return delimiter


def read_rejects(item: Item) -> Rejects:
    """How many rows of a file may be rejected (E501)."""
    fields = item.fields(["rows", "share"])
    return Rejects(rows=fields["rows"].whole(0), share=fields["share"].share())


def read_limits(item: Item) -> Limits:
    """What a file may be at most (E205)."""
    fields = item.fields(["fileBytes", "lineBytes", "gzipRatio"])
    return Limits(
        file_bytes=fields["fileBytes"].whole(1),
        line_bytes=fields["lineBytes"].whole(1, _MOST_LINE_BYTES),
        gzip_ratio=fields["gzipRatio"].whole(1),
    )


def read_drop(custom: dict[str, Item], modes: Iterable[Mode]) -> float | None:
    """The share by which a full snapshot may shrink (E505): given where there are full snapshots, and only there."""
    item = custom.get("snapshotDropShare")
    if (item is None) == (Mode.FULL in modes):
        raise custom["modes"].error(
            "the property snapshotDropShare with mode F, and only with it", "one without the other"
        )
    return None if item is None else item.share()


def read_sla(item: Item) -> tuple[Schedule, int]:
    """When a cycle is expected, late and missing, in seconds; and for how many days the files are kept."""
    entries = by_property(item, ["frequency", *_TIMES, "retention"])
    frequency = Cadence(entries["frequency"].fields(["property", "value"])["value"].choice(Cadence))
    expected_s, late_after_s, missing_after_s = (_seconds(entries[name]) for name in _TIMES)
    if missing_after_s < late_after_s:
        raise entries["missingAfter"].error("a time not before lateAfter", "an earlier one")
    days, _ = _amount(entries["retention"], 1, ["d"])
    return Schedule(frequency, expected_s, late_after_s, missing_after_s), days


def _seconds(entry: Item) -> int:
    value, unit = _amount(entry, 0, _UNIT_S)
    return value * _UNIT_S[unit]


def _amount(entry: Item, least: int, units: Iterable[str]) -> tuple[int, str]:
    fields = entry.fields(["property", "value", "unit"])
    unit = fields["unit"].choice(units)
    most = _MOST_DAYS * _UNIT_S["d"] // _UNIT_S[unit]
    return replace(fields["value"], key=entry.key).whole(least, most), unit
