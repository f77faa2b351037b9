"""Files with one known defect each, between two sound ones, as a producer might offer them by mistake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from payment_files import CYCLE, offer

ROWS = 100
STEMS = tuple(f"PAYM_110_I_{CYCLE}_{seq:04}_00" for seq in (1, 2, 3))
_FIRST = ROWS + 1  # number of the first record of the middle file, the one with the defect
_SPOILT = 150  # number of the record that is spoilt
SPOILT_ID, SPOILT_LINE = f"P{_SPOILT:011}", _SPOILT - ROWS + 1
_AMOUNT_OF_SPOILT = 1000 + _SPOILT
_SERVICE_NUMBER, _PAID_AT, _METHOD, _BALANCE, _OPERATOR = 3, 4, 7, 11, 12
_Records = list[list[str]]


@dataclass(frozen=True)
class Defect:
    """How a file is spoilt, and by which column of its spoilt record it shows.

    `right` is the value that column must have; None where the record (or, without a column, the file) must not come in.
    `lies`: the check file is that of the file as it should have been. `uncounted`: the spoilt record cannot be read, so
    that by the interface it counts nothing in the control total. `again`: the file is sound, and offered twice.
    """

    title: str
    column: str = ""
    right: str | None = None
    records: Callable[[_Records], object] = lambda _: None
    data: Callable[[bytes], bytes] = bytes
    lies: bool = False
    uncounted: bool = False
    again: bool = False

    def offer(self, root: Path) -> None:
        """The three files in `outgoing/` below the root."""
        for number, stem in enumerate(STEMS):
            records = [_record(number * ROWS + each) for each in range(1, ROWS + 1)]
            is_spoilt = number == 1
            if is_spoilt:
                self.records(records)
            whole = _content(stem, records, _AMOUNT_OF_SPOILT if is_spoilt and self.uncounted else 0)
            spoilt = self.data(whole) if is_spoilt else whole
            offer(root, stem, whole if self.lies else spoilt, ROWS)
            (root / "outgoing" / "PAYM" / f"{stem}.DAT").write_bytes(spoilt)


def _record(number: int) -> list[str]:
    return (
        f"P{number:011}|A{number:09}|U{number:09}|1380001{number:04}|2026112210{number % 60:02}15|{1000 + number}|1"
        f"|WALLET|APP||202610|{number}|OP{number:05}"
    ).split("|")


def _content(stem: str, records: _Records, less: int) -> bytes:
    total = sum(int(record[5]) for record in records) - less
    lines = [f"H|1|{stem.replace('_', '|')}|20261122110231|{ROWS}", *map("|".join, records), f"T|{ROWS}|{total}"]
    return "".join(f"{line}\n" for line in lines).encode()


def _field(place: int, value: str) -> Callable[[_Records], object]:
    return lambda records: records[_SPOILT - _FIRST].__setitem__(place, value)


def _without(place: int) -> Callable[[_Records], object]:
    return lambda records: records[_SPOILT - _FIRST].pop(place)


def _numeric_operators(records: _Records) -> None:
    """Codes of digits with leading zeros in every record, 0048123 in the one that is looked at."""
    for number, record in enumerate(records, _FIRST):
        record[_OPERATOR] = f"{48123 + number - _SPOILT:07}"


_NUMBER = f"1380001{_SPOILT:04}"
DEFECTS = (
    Defect("truncated file", data=lambda data: data[: len(data) * 6 // 10], lies=True),
    Defect(
        "bytes that do not match the digest: an amount of 1150 that became 9150", "amount_fen",
        data=lambda data: data.replace(b"|1150|", b"|9150|"), lies=True,
    ),
    Defect("wrong count in the trailer", data=lambda data: data.replace(b"\nT|100|", b"\nT|101|")),
    Defect("10.5 in an integer column", "balance_after_fen", records=_field(_BALANCE, "10.5")),
    Defect("code 0048123 with leading zeros (sound)", "operator_id", "0048123", records=_numeric_operators),
    Defect(
        "quote that is never closed (sound: nothing is quoted)", "service_number", f'"{_NUMBER}',
        records=_field(_SERVICE_NUMBER, f'"{_NUMBER}'),
    ),
    Defect("missing field", "method", records=_without(_METHOD), uncounted=True),
    Defect("the same file offered twice", again=True),
    Defect("30 February", "paid_at", records=_field(_PAID_AT, "20260230100015")),
    Defect(
        "GB18030 bytes in a UTF-8 file", "service_number",
        data=lambda data: data.replace(f"|{_NUMBER}|".encode(), f"|北京{_NUMBER}|".encode("gb18030")), uncounted=True,
    ),
)  # fmt: skip
