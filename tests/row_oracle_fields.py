"""What `row_oracle` knows of single fields: types, lengths, patterns, code lists and check digits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")
ID = re.compile(r"[0-9A-Za-z]*")
_DATE = re.compile(r"[0-9]{8}")
_TIMESTAMP = re.compile(r"[0-9]{14}")
_MONTH = re.compile(r"(?:19|2[0-9])[0-9]{2}(?:0[1-9]|1[0-2])")

PHONE = re.compile(r"1[3-9][0-9]{9}|0[0-9]{9,11}")
NUMBER_OF_OTHERS = re.compile(r"[0-9A-Za-z]{6,20}")
SIX_DIGITS = re.compile(r"[0-9]{6}")
SKILL_GROUP = re.compile(r"[0-9A-Za-z_]{2,20}")
# White space of Unicode, without the separators U+001C to U+001F that Python alone counts as such.
_SPACE = "\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
EMAIL = re.compile(f"[^@{_SPACE}]+@[^@{_SPACE}]+")
RESIDENT_ID = re.compile(r"[0-9]{17}[0-9X]")
CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CREDIT_CODE = re.compile(f"[{CREDIT_ALPHABET}]{{18}}")
# A column's codes; channel and op are narrowed feed by feed.
CODES = {
    name: frozenset(words.split())
    for name, words in {
        "op": "I U D", "customer_type": "1 2 3 4", "id_type": "01 02 03 04 09", "gender": "M F",
        "industry": "A B C D E F G H I J K L M N O P Q R S T", "credit_class": "A B C D E", "yes_no": "Y N",
        "product": "MOB FIX BBD TVS IOT", "pay_mode": "PRE POST", "status": "1 2 3 4 9", "member_level": "D G S",
        "kind": "1 2 3 4 9", "method": "CASH CARD BANK WALLET VOUCHER OTHER",
        "PAYM channel": "HALL WEB APP BANK AGENT IVR", "CHNG channel": "HALL WEB APP BANK AGENT IVR SYS",
        "change_type": "01 02 03 04 05 06 07 08 09 10 11 12 13 14",
        "usage_type": "V M D S", "direction": "O I", "roaming": "0 1 2", "counterpart_network": "1 2 9",
        "CONT channel": "IVR AGENT OUTBOUND WEB HALL", "tier_served": "D G S N",
        "outcome": "ANSWERED ABANDONED OVERFLOW SELF",
        "purpose": "INQUIRY REQUEST COMPLAINT FAULT RETENTION SURVEY", "retention_result": "KEPT LOST PENDING",
        "WORD op": "I U", "category": "COMPLAINT FAULT REQUEST RETENTION", "priority": "1 2 3",
        "WORD status": "OPEN ASSIGNED RESOLVED CLOSED REOPENED",
    }.items()
}  # fmt: skip

Value = str | int | date | datetime | None
T = TypeVar("T", str, int, date, datetime)


@dataclass(frozen=True)
class Cycle:
    """What the name of the file says about time and place; `start` and `end` are naive, Asia/Shanghai."""

    text: str
    start: datetime
    end: datetime
    source: str


class Row:
    """One record while it is read: every call takes the next field, keeps its value and notes what is wrong with it."""

    def __init__(self, fields: list[str]) -> None:
        self._fields = fields
        self.names: list[str] = []
        self.values: list[Value] = []
        self.faults: set[tuple[str, str]] = set()
        self.needs: tuple[str, ...] | None = None  # all that a D record needs

    def fault(self, code: str, name: str) -> None:
        self.faults.add((name, code))

    def fault_if(self, is_broken: object, code: str, name: str) -> None:
        if is_broken:
            self.fault(code, name)

    def need(self, name: str, value: Value) -> None:
        """A value that is missing though it is needed (E402)."""
        if value is None and (self.needs is None or name in self.needs):
            self.fault("E402", name)

    def given(self, name: str) -> str | None:
        """The field as it stands, whether it can be read or not."""
        return self._fields[self.names.index(name)] or None

    def text(self, name: str, longest: int | None = None, required: bool = False) -> str | None:
        """Text of at most so many characters, without CR or NUL (LF and the delimiter were taken before)."""
        value = self._next(name)
        if value is None:
            self._missing(name, required)
            return None
        if longest is not None and len(value) > longest:
            self.fault("E404", name)
        if "\r" in value or "\0" in value:
            self.fault("E405", name)
        self.values.append(value)
        return value

    def pattern(self, name: str, pattern: re.Pattern[str], value: str | None) -> None:
        if value is not None and not pattern.fullmatch(value):
            self.fault("E405", name)

    def id(self, name: str, longest: int = 20, required: bool = False) -> str | None:
        value = self._next(name)
        if value is None:
            self._missing(name, required)
            return None
        if not 6 <= len(value) <= longest:
            self.fault("E404", name)
        if not ID.fullmatch(value):
            self.fault("E405", name)
        self.values.append(value)
        return value

    def code(self, name: str, codes: frozenset[str], required: bool = False) -> str | None:
        """A code; one that is in no list is still what the producer said, and other columns' rules read it."""
        value = self._next(name)
        if value is None:
            self._missing(name, required)
            return None
        if value not in codes:
            self.fault("E406", name)
        self.values.append(value)
        return value

    def number(self, name: str, required: bool = False) -> int | None:
        text = self._next(name)
        if text is None:
            self._missing(name, required)
            return None
        value = int(text) if NUMBER.fullmatch(text) else None
        return self._typed(name, value)

    def fen(self, name: str, required: bool = False) -> int | None:
        """Money that is never below zero (E407)."""
        value = self.number(name, required)
        if value is not None and value < 0:
            self.fault("E407", name)
        return value

    def date(self, name: str, required: bool = False) -> date | None:
        text = self._next(name)
        if text is None:
            self._missing(name, required)
            return None
        return self._typed(name, read_date(text))

    def timestamp(self, name: str, required: bool = False) -> datetime | None:
        text = self._next(name)
        if text is None:
            self._missing(name, required)
            return None
        return self._typed(name, read_timestamp(text))

    def month(self, name: str, required: bool = False) -> str | None:
        text = self._next(name)
        if text is None:
            self._missing(name, required)
            return None
        return self._typed(name, text if _MONTH.fullmatch(text) else None)

    def _next(self, name: str) -> str | None:
        self.names.append(name)
        return self._fields[len(self.names) - 1] or None

    def _missing(self, name: str, required: bool) -> None:
        self.values.append(None)
        if required:
            self.need(name, None)

    def _typed(self, name: str, value: T | None) -> T | None:
        if value is None:
            self.fault("E403", name)
        self.values.append(value)
        return value

    def codes(self) -> tuple[str, str]:
        """Codes and columns as `.REJ` shows them: in the order of the columns, a column's codes ascending."""
        ordered = sorted((self.names.index(name), code, name) for name, code in self.faults)
        return "+".join(code for _, code, _ in ordered), "+".join(name for _, _, name in ordered)


def read_date(text: str) -> date | None:
    """A day of the years 1900 to 2999, or None."""
    if not _DATE.fullmatch(text) or not "1900" <= text[:4] <= "2999":
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def read_timestamp(text: str) -> datetime | None:
    """A second of the years 1900 to 2999, or None."""
    if not _TIMESTAMP.fullmatch(text) or not "1900" <= text[:4] <= "2999":
        return None
    try:
        return datetime(
            int(text[:4]), int(text[4:6]), int(text[6:8]), int(text[8:10]), int(text[10:12]), int(text[12:])
        )
    except ValueError:
        return None


def resident_id(text: str) -> bool:
    """GB 11643: 17 digits weighed, the remainder by 11 names the last character."""
    if not RESIDENT_ID.fullmatch(text):
        return False
    weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
    weighed = sum(int(digit) * weight for digit, weight in zip(text[:17], weights, strict=True))
    return "10X98765432"[weighed % 11] == text[17]


def credit_code(text: str) -> bool:
    """GB 32100: 17 characters weighed with powers of 3, the sum with the last one divides by 31."""
    if not CREDIT_CODE.fullmatch(text):
        return False
    places = [CREDIT_ALPHABET.index(character) for character in text]
    remainder: int = (sum(place * pow(3, n, 31) for n, place in enumerate(places[:17])) + places[17]) % 31
    return remainder == 0
