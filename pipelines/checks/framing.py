"""Header and trailer: what the file says about itself, against its name, its check file and its content."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from pipelines.checks.blocks import Refused
from pipelines.contracts.model import Contract
from pipelines.names import BatchName
from pipelines.plain_text import quoted, unnumbered

_COUNT = re.compile(r"0|[1-9][0-9]{0,17}")
_TOTAL = re.compile(r"0|-?[1-9][0-9]{0,37}")  # a sum of many numbers of 18 digits
_BEGINNINGS = {
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
    b"\xef\xbb\xbf": "a byte order mark before it",  # allowed in UTF-8, once
    b"\x84\x31\x95\x33": "a byte order mark before it",  # of GB18030
    b"\x1f\x8b": "a gzip",
}


@dataclass(frozen=True)
class Trailer:
    records: int
    control_total: int


def read_header(line: bytes, name: BatchName, day: date, agreed: Contract) -> tuple[Contract, int]:
    """The version of the contract that reads the file, and the header's record count, which agree with the name.

    `day` is the first of the file's cycle. Refused E301, or E305 for a format version that is not read for that day.
    """
    fields = _header_fields(line, agreed)
    if fields[0] != "H" or len(fields) != 10:
        raise Refused(
            "E301", f"line 1: expected a header of 10 fields that begins with H, found {_instead(line, fields)}"
        )
    stated = fields[2:8]
    expected = [name.feed, name.source, name.mode, name.cycle, name.seq, name.version]
    if stated != expected:
        raise Refused("E301", f"line 1: expected {'_'.join(expected)} as the name says, found {_shown(stated)}")
    if not re.fullmatch(r"[0-9]{14}", fields[8]) or not _COUNT.fullmatch(fields[9]):
        raise Refused("E301", "line 1: expected a creation time YYYYMMDDHHMMSS and a record count at the end")
    contract = agreed.reads(fields[1], day)
    if contract is None:
        known = [version.format_version for version in agreed.versions if agreed.reads(version.format_version, day)]
        found = f"found {_shown(fields[1:2])}"
        raise Refused("E305", f"line 1: expected format version {' or '.join(known)} for cycles of {day}, {found}")
    return contract, int(fields[9])


def _instead(line: bytes, fields: list[str]) -> str:
    """What a first line is that is no header: often the file is not in the form that its name or source says."""
    beginnings = (words for begins, words in _BEGINNINGS.items() if line.startswith(begins))
    first = quoted(fields[0].replace("\ufffd", "?"), 20)
    return next(beginnings, f"{len(fields)} fields, the first {first}" if line else "an empty file")


def _header_fields(line: bytes, agreed: Contract) -> list[str]:
    """Split by the delimiter of the newest version in which it has ten fields that name that version's format."""
    for version in reversed(agreed.versions):
        fields = _fields(line, version.delimiter)
        if len(fields) == 10 and fields[1] == version.format_version:
            return fields
    return _fields(line, agreed.delimiter)


def read_trailer(line: bytes, line_number: int, delimiter: str) -> Trailer:
    """The trailer, which must be the last line; refused E304."""
    fields = _fields(line, delimiter)
    sound = fields[0] == "T" and len(fields) == 3 and _COUNT.fullmatch(fields[1]) and _TOTAL.fullmatch(fields[2])
    if not sound:
        raise Refused("E304", f"line {line_number}: expected a trailer T, records, control total as the last line")
    return Trailer(int(fields[1]), int(fields[2]))


def agree_on_counts(content: int, header: int, trailer: Trailer, check_file: int) -> None:
    """All four record counts are one number; refused E302."""
    if not content == header == trailer.records == check_file:
        raise Refused(
            "E302",
            f"record counts differ: header {header}, trailer {trailer.records}, check file {check_file}, "
            f"content {content}",
        )


def agree_on_total(content: int, trailer: Trailer, uncounted: str) -> None:
    """The control total of the trailer is that of the content; refused E303, with what of it counted 0."""
    if content != trailer.control_total:
        raise Refused(
            "E303", f"control total: trailer says {trailer.control_total}, content gives {content}{uncounted}"
        )


def _fields(line: bytes, delimiter: str) -> list[str]:
    return line.removesuffix(b"\n").removesuffix(b"\r").decode("ascii", "replace").split(delimiter)


def _shown(parts: list[str]) -> str:
    """What was found, fit for a receipt: short, printable, without the delimiter and numbers of people."""
    text = "_".join(map(unnumbered, parts))[:60]
    return "".join(character if character.isalnum() or character in "_-.*" else "?" for character in text)
