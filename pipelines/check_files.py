"""Check files (.CHK) and end files (.END): what the producer says about a batch and about a cycle."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from pipelines.names import parse_stem
from pipelines.plain_text import quoted

_COUNT = re.compile(r"0|[1-9][0-9]{0,17}")
_TOTAL = re.compile(r"0|-?[1-9][0-9]{0,37}")  # a sum of many numbers of 18 digits
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}")
MAX_BYTES = 1 << 20  # far above any sound check or end file; a larger one is not read


class CheckDigest:
    """The sha256 of a check file as far as one is read and kept: its first MAX_BYTES."""

    def __init__(self) -> None:
        self._made, self._left = hashlib.sha256(), MAX_BYTES

    def update(self, block: bytes) -> None:
        self._made.update(block[: self._left])
        self._left -= len(block[: self._left])

    def hexdigest(self) -> str:
        return self._made.hexdigest()


class Unreadable(ValueError):
    """A check or end file that does not say what it must; the message says what was expected and found."""


@dataclass(frozen=True)
class CheckFile:
    """One `.CHK`: `bytes` and `digest` are of the file as transferred, `records` without header and trailer."""

    name: str
    bytes: int
    records: int
    digest: str
    created: str


@dataclass(frozen=True)
class EndEntry:
    """One line of an end file."""

    stem: str
    records: int


@dataclass(frozen=True)
class EndFile:
    """One `.END`: counts and totals as declared, and the stems of the cycle in the order of SEQ."""

    files: int
    records: int
    control_total: int
    entries: tuple[EndEntry, ...]


def _lines(content: bytes) -> list[str]:
    if len(content) > MAX_BYTES:
        raise Unreadable(f"expected at most {MAX_BYTES} bytes, found {len(content)}")
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        raise Unreadable(f"expected ASCII, found another byte at offset {error.start}") from None
    return text.removesuffix("\n").removesuffix("\r").replace("\r\n", "\n").split("\n")


def parse_check_file(content: bytes, stem: str) -> CheckFile:
    """Read a check file that must name a data file of `stem`; raises Unreadable (E201)."""
    lines = _lines(content)
    parts = lines[0].split("|")
    if len(lines) != 1 or len(parts) != 5:
        raise Unreadable(
            f"expected one line name|bytes|records|digest|created, found {len(lines)} lines, {len(parts)} fields"
        )
    name, size, records, digest, created = parts
    if name not in (f"{stem}.DAT", f"{stem}.DAT.gz"):
        raise Unreadable(f"expected it to name {stem}.DAT, found {quoted(name)}")
    if not _COUNT.fullmatch(size) or not _COUNT.fullmatch(records):
        raise Unreadable(
            f"expected whole numbers of bytes and records, found {quoted(size, 40)} and {quoted(records, 40)}"
        )
    if not _DIGEST.fullmatch(digest):
        raise Unreadable("expected a digest sha256:… or md5:… in lower-case hex, found another form")
    if not re.fullmatch(r"[0-9]{14}", created):
        raise Unreadable(f"expected the creation time as YYYYMMDDHHMMSS, found {quoted(created, 40)}")
    return CheckFile(name, int(size), int(records), digest, created)


def parse_end_file(content: bytes, cycle_stem: str) -> EndFile:
    """Read the end file of `FEED_SOURCE_MODE_CYCLE`; raises Unreadable (E207)."""
    first, *rest = _lines(content)
    parts = first.split("|")
    if len(parts) != 3 or not all(map(_COUNT.fullmatch, parts[:2])) or not _TOTAL.fullmatch(parts[2]):
        raise Unreadable(f"line 1: expected files|records|control_total, found {quoted(first)}")
    entries = tuple(_end_entry(number, line, cycle_stem) for number, line in enumerate(rest, start=2))
    end = EndFile(int(parts[0]), int(parts[1]), int(parts[2]), entries)
    if end.files != len(entries):
        raise Unreadable(f"expected {end.files} lines of files as line 1 says, found {len(entries)}")
    if end.records != sum(entry.records for entry in entries):
        raise Unreadable(f"expected {end.records} records as line 1 says, found {sum(e.records for e in entries)}")
    sequence = [entry.stem.rsplit("_", 2)[1] for entry in entries]
    if sequence != sorted(set(sequence)):
        raise Unreadable("expected each SEQ once and in order, found another order")
    return end


def _end_entry(number: int, line: str, cycle_stem: str) -> EndEntry:
    stem, separator, records = line.partition("|")
    if not separator or not _COUNT.fullmatch(records) or parse_stem(stem) is None:
        raise Unreadable(f"line {number}: expected stem|records, found {quoted(line)}")
    if not stem.startswith(cycle_stem + "_"):
        raise Unreadable(f"line {number}: expected a stem of {cycle_stem}, found {quoted(stem)}")
    return EndEntry(stem, int(records))
