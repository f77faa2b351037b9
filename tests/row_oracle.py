"""A slow, obvious reader of one data file: one line at a time, in plain Python, from the file interface alone.

It shares nothing with `pipelines.checks` or the contracts: sections 4 and 5 of the file interface stand here and in
`row_oracle_fields`, the rules of the eight feeds in `row_oracle_feeds`. `test_differential` holds the quick checks
against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from row_oracle_fields import Cycle, Row, Value

Reject = tuple[int, str, str, bytes]


@dataclass(frozen=True)
class Feed:
    """What the reader must know of a feed: the names of its columns, its key, what it sums up, and its rules."""

    columns: tuple[str, ...]
    key: tuple[str, ...]
    control: str | None
    rules: Callable[[Row, Cycle], None]


@dataclass
class Reading:
    """All that a file holds: sound rows (values, then line), rejects (line, codes, columns, record), and their sums."""

    rows: list[tuple[Value, ...]]
    rejects: list[Reject]
    records: int
    control_total: int = 0
    control_rejected: int = 0


def read_file(content: bytes, encoding: str, feed: Feed, cycle: Cycle) -> Reading:
    """Read a file whose header and trailer are sound."""
    lines = content.split(b"\n")[1:]
    body = lines[: -2 if lines[-1] == b"" else -1]
    reading = Reading([], [], len(body))
    records = {}
    for number, line in enumerate(body, start=2):
        record = line.removesuffix(b"\r")
        values = _read_record(record, number, encoding, feed, cycle, reading)
        if values is not None:
            reading.rows.append((*values, number))
            records[number] = record
    _reject_duplicates(reading, feed, records)
    return reading


def _read_record(
    record: bytes, number: int, encoding: str, feed: Feed, cycle: Cycle, reading: Reading
) -> list[Value] | None:
    """The values of a sound record; of another its codes are added to the rejects."""
    try:
        fields = record.decode(encoding).split("|")
    except UnicodeDecodeError:
        reading.rejects.append((number, "E410", "", record))
        return None
    if len(fields) != len(feed.columns):
        reading.rejects.append((number, "E401", "", record))
        return None
    row = Row(fields)
    feed.rules(row, cycle)
    amount = _control(feed, row.values)
    reading.control_total += amount
    assert tuple(row.names) == feed.columns
    if not row.faults:
        return row.values
    reading.control_rejected += amount
    reading.rejects.append((number, *row.codes(), record))
    return None


def _control(feed: Feed, values: list[Value] | tuple[Value, ...]) -> int:
    amount = values[feed.columns.index(feed.control)] if feed.control else None
    return amount if isinstance(amount, int) else 0


def _reject_duplicates(reading: Reading, feed: Feed, records: dict[int, bytes]) -> None:
    """Of the sound rows of a key the last one stands (E409)."""
    places = [feed.columns.index(name) for name in feed.key]
    last = {tuple(row[place] for place in places): row[-1] for row in reading.rows}
    if len(last) == len(reading.rows):
        return
    standing = []
    for row in reading.rows:
        if last[tuple(row[place] for place in places)] == row[-1]:
            standing.append(row)
            continue
        number = row[-1]
        assert isinstance(number, int)
        reading.control_rejected += _control(feed, row)
        reading.rejects.append((number, "E409", feed.key[0], records[number]))
    reading.rows = standing
    reading.rejects.sort()
