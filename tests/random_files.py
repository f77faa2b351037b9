"""Random data files of all feeds: sound rows of a generated province under new keys, and rows with something wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
from province_reader import read
from row_oracle_feeds import ORACLES
from row_oracle_fields import CODES, Cycle

from sftp_fixtures.province import make_province

SOURCE = "110"
_NOON, _DAY = datetime(2026, 11, 22, 12), datetime(2026, 11, 21)
CYCLES = {
    feed: Cycle("20261121", _DAY, _DAY + timedelta(days=1), SOURCE) for feed in ("CUST", "USER", "USGE", "CONT", "WORD")
}
CYCLES |= {feed: Cycle("2026112211", _NOON - timedelta(hours=1), _NOON, SOURCE) for feed in ("PAYM", "CHNG")}
CYCLES["BILL"] = Cycle("202610", datetime(2026, 10, 1), datetime(2026, 11, 1), SOURCE)

# Values that stand at a border of some rule, by what they look like.
_LENGTHS = [length for border in (6, 20, 30, 32, 60, 100, 200) for length in (border - 1, border, border + 1)]
_LENGTHS += [1, 2, 9, 10, 11, 12, 13]
TEXTS = [character * length for length in _LENGTHS for character in "A7中𠮷"] + [
    "_" * 3,
    "SK_1",
    "_" * 21,
    "119999",
    "999999",
]
TEXTS += [
    "a@b", "@b", "a@", "a@b@c", "a b@c", "a@b\u3000c", "a@b\tc", "a@b\u00a0c", "a@b\x1cc", "a@b\u0085c", "é@ü",
    "a@\u200b",
]  # fmt: skip
TEXTS += [
    "13800010001", "12800010001", "138000100011", "1380001000", "010123456", "0101234567", "010123456789",
    "0101234567890", "100083", "10008", "1000831", "110105", "440105", "11", "1", "=1+1", "NULL", "null", "nan",
]  # fmt: skip
FITTING = {
    "email": [text for text in TEXTS if "@" in text],
    "new_value": [text for text in TEXTS if 5 <= len(text) <= 21],
}
IDENTITIES = [
    "11010519491231002X", "11010519491231002x", "110105194912310021", "440524188001010014", "440524188001010015",
    "11010519491231002", "11010519491231002X0", "１１010519491231002X", "91350100M000100Y43", "91350100M000100Y44",
    "91350100M000100I43", "91350100m000100y43", "9135", "000000000000000001", "000000000000000000", "0" * 17 + "X",
    "中" * 18,
]  # fmt: skip
NUMBERS = [0, 1, -1, 5, 6, 86400, 86401, 10**17, 10**18 - 1, 1 - 10**18, 10**18, -(10**18), 2**63 - 1, 2**63, -(2**63)]
NUMBER_TEXTS = [
    *map(str, NUMBERS), "-0", "+1", "00", "01", "-01", "007", "1.0", "1e5", "1_0", " 1", "1 ", "--1", "-", "１２", "١٢",
    "²", "0x1", "9" * 40, "1,000", "１", "५",
]  # fmt: skip
DATES = [
    "18991231", "19000101", "19000228", "19000229", "20000229", "20240229", "20230229", "20240230", "21000229",
    "24000229", "29991231", "30000101", "00000000", "00010101", "99991231", "20261301", "20260001", "20261100",
    "20261131", "20261132", "2026112", "202611221", "2026-2-8", "2026-11-21", "２０２６1121", " 0261121", "+0261121",
]  # fmt: skip
CLOCKS = [
    "000000", "235959", "240000", "236000", "235960", "120060", "246060", "12000", "1200000", "12:00:00", "１２0000",
]  # fmt: skip
MONTHS = [
    "189912", "190001", "299912", "300001", "202613", "202600", "202610", "202611", "20261", "2026101", "２０2610",
]  # fmt: skip
PIECES = [
    "\r", "\0", "\ufeff", '"', "'", " ", "\u3000", "\t", "\x0b", "\x0c", "\x1c", "\x1f", "\x7f", "\x85", "\xa0",
    "\u2028", "\u200b", "\u00ad", "@", "|", "||", "｜", "亅", "\U00020bb7", "€", "é", "e\u0301", "\ue000", "\uffff",
    "\U0010ffff", "０", "٣", "\\", "\\n", ",", ";", "_", "-", "$", "^",
]  # fmt: skip
# Bytes that one of the encodings, or both, cannot read; some swallow the byte behind them.
BYTES = [
    b"\x80", b"\xff", b"\x81", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe4\xb8", b"\xf0\x9f",
    b"\x81\x30", b"\x81\x30\x81", b"\xfe\x39\xfe\x39", b"\xe3\x32\x9a\x36", b"\x83\x36\xc7\x38", b"\x84\x31\xa4\x37",
    b"\x81|", b"\xa1\xa1", b"\xef\xbb\xbf", b"\xfe\xff", b"\x95\x32\x82\x36", "中".encode(), "中".encode("gb18030"),
]  # fmt: skip


_TIMES = ("_at", "_time")
_DAYS = ("birth_date", "created_date", "open_date", "close_date", "balance_expiry", "contract_end", "due_date")


def _borders(cycle: Cycle) -> list[str]:
    """Seconds around every limit that a cycle sets."""
    days = (0, 3, 7, 62)
    limits = [cycle.end, *(cycle.start - timedelta(days=day) for day in days), cycle.start + timedelta(days=62)]
    return [f"{limit + timedelta(seconds=off):%Y%m%d%H%M%S}" for limit in limits for off in (-1, 0, 1)]


@dataclass(frozen=True)
class Pool:
    """Sound rows of a feed, and the values that stand at the borders of a column's kind."""

    rows: list[list[str]]
    values: dict[str, list[str]]


def make_pools(directory: Path) -> dict[str, Pool]:
    """Rows of a generated province, of every feed those that fit its cycle."""
    province = read(directory, make_province(directory, end=_NOON, subscribers=3000, seed=7))
    pools = {}
    for feed, oracle in ORACLES.items():
        fits = [row for row in province.rows[feed] if feed not in ("CONT", "BILL") or row["cycle"] == CYCLES[feed].text]
        rows = [[row[name] for name in oracle.columns] for row in fits[-4000:]]
        if feed == "CHNG":  # few of its kinds come by themselves
            rows += [[*row[:4], kind, *row[5:8], "N0000001", *row[9:]] for row in rows for kind in ("07", "08", "10")]
        pools[feed] = Pool(rows, {name: _values(name, CYCLES[feed]) for name in oracle.columns})
    return pools


def _values(name: str, cycle: Cycle) -> list[str]:
    """What to try in a column; its name tells its kind."""
    if name.endswith(_TIMES):
        days = [day for day in DATES if len(day) == 8]
        return _borders(cycle) * 3 + [day + "120000" for day in days] + ["20261121" + clock for clock in CLOCKS] + DATES
    if name in _DAYS:
        return DATES + [border[:8] for border in _borders(cycle)] + [f"{date(1900, 1, 1):%Y%m%d}", "20261121120000"]
    if name.endswith(("_fen", "_s", "_kb")) or name == "satisfaction":
        return NUMBER_TEXTS
    if name == "id_number":
        return IDENTITIES * 4 + TEXTS
    if name in FITTING:
        return FITTING[name] * 2 + TEXTS
    if name == "billing_cycle":
        return MONTHS
    codes = [code for key, listed in CODES.items() if key.split()[-1] == name for code in sorted(listed)]
    return codes * 3 + ["", "Y", "X", "01", "1", "9", "AGENT", "i", "Ｉ", "I "] if codes else TEXTS


@dataclass(frozen=True)
class Draft:
    """A file without its trailer's total, which only a reader knows."""

    head: bytes
    records: int
    last_end: bytes

    def content(self, control_total: int) -> bytes:
        return self.head + f"T|{self.records}|{control_total}".encode() + self.last_end


def random_content(rng: np.random.Generator, feed: str, pool: Pool, records: int, dirty: float, encoding: str) -> Draft:
    """A file of so many records: `dirty` is the share of those that are changed in one to three ways."""
    oracle = ORACLES[feed]
    chosen = rng.integers(len(pool.rows), size=records).tolist()
    changes = np.where(rng.random(records) < dirty, rng.integers(1, 4, size=records), 0).tolist()
    key = oracle.columns.index(oracle.key[0])
    ends = [b"\n", b"\r\n"] if rng.random() < 0.7 or dirty else [b"\n"]
    ended = (rng.random(records) < rng.random()).tolist()
    changer = _Changer(rng, pool, oracle.columns, encoding)
    keys = [f"K{number:011d}" for number in range(records)]
    lines = []
    for number, (row, count) in enumerate(zip(chosen, changes, strict=True)):
        fields = pool.rows[row].copy()
        fields[key] = keys[number]
        line = changer.change(fields, count) if count else "|".join(fields).encode(encoding)
        lines.append(line + ends[ended[number] and len(ends) > 1])
    if dirty:
        _repeat(rng, lines)
        for place in rng.integers(records, size=records // 50).tolist():  # a block may begin with it
            lines[place] = "\ufeff".encode(encoding) + lines[place]
    stem = "|".join([feed, SOURCE, "I", CYCLES[feed].text, "0001", "00"])
    mark = b"\xef\xbb\xbf" if encoding == "utf-8" and rng.random() < 0.5 else b""
    head = mark + f"H|1|{stem}|20261122120000|{records}\n".encode()
    return Draft(head + b"".join(lines), records, [b"", b"\n", b"\r\n"][int(rng.integers(3))])


def _repeat(rng: np.random.Generator, lines: list[bytes]) -> None:
    """Write one line in fifty over another, near or anywhere: its key is then there twice, sound or not."""
    for _ in range(max(2, len(lines) // 50)):
        source, near = int(rng.integers(len(lines))), int(rng.integers(-30, 31))
        target = source + near if rng.random() < 0.5 else int(rng.integers(len(lines)))
        lines[target % len(lines)] = lines[source]


class _Changer:
    """Changes fields, the record and at last its bytes; draws numbers in bulk, for drawing one takes long."""

    def __init__(self, rng: np.random.Generator, pool: Pool, columns: tuple[str, ...], encoding: str) -> None:
        self._rng, self._pool, self._columns, self._encoding = rng, pool, columns, encoding
        self._drawn: list[int] = []
        whens = [n for n, name in enumerate(columns) if name.endswith(_TIMES) or name in _DAYS]
        others = [n for n in range(len(columns)) if n not in whens]
        self._alike = [whens if n in whens else others for n in range(len(columns))]
        self._all = [value for name in columns for value in pool.values[name]] + TEXTS
        self._ways: list[Callable[[str, int, list[str]], str]] = [
            *[self._of_its_kind] * 4, *[self._of_another_row] * 2, *[self._with_a_piece] * 2, *[self._empty] * 2,
            self._of_another_column, self._of_any_kind, self._shorter, self._longer, self._wide, self._signed,
            self._of_another_case,
        ]  # fmt: skip

    def _draw(self, below: int) -> int:
        if not self._drawn:
            self._drawn = self._rng.integers(1 << 40, size=20_000).tolist()
        return self._drawn.pop() % below

    def change(self, fields: list[str], count: int) -> bytes:
        for _ in range(count):
            place = self._draw(len(fields))
            way = self._ways[self._draw(len(self._ways))]
            fields[place] = way(fields[place], place, fields)
        kind = self._draw(40)
        if kind == 0:
            return b""
        if kind == 1:
            del fields[self._draw(len(fields))]
        line = "|".join(fields)
        if kind == 2:
            return line.encode("gb18030" if self._encoding == "utf-8" else "utf-8")
        data = line.encode(self._encoding)
        if kind in (3, 4):
            place = self._draw(len(data) + 1)
            return data[:place] + BYTES[self._draw(len(BYTES))] + data[place:]
        return data + b"\r" if kind == 5 else data + b"|" if kind == 6 else data

    def _of_its_kind(self, _: str, place: int, __: object) -> str:
        values = self._pool.values[self._columns[place]]
        return values[self._draw(len(values))]

    def _of_another_row(self, _: str, place: int, __: object) -> str:
        return self._pool.rows[self._draw(len(self._pool.rows))][place]

    def _of_another_column(self, _: str, place: int, fields: list[str]) -> str:
        """Most often two times are then the same; a day and a time are made to meet at midnight."""
        alike = [other for other in self._alike[place] if fields[other]] or [place]
        value, name = fields[alike[self._draw(len(alike))]], self._columns[place]
        return value + "000000" if len(value) == 8 and name.endswith(_TIMES) else value[: 8 if name in _DAYS else None]

    def _of_any_kind(self, *_: object) -> str:
        return self._all[self._draw(len(self._all))]

    def _with_a_piece(self, value: str, *_: object) -> str:
        place = self._draw(len(value) + 1)
        return value[:place] + PIECES[self._draw(len(PIECES))] + value[place:]

    def _empty(self, *_: object) -> str:
        return ""

    def _shorter(self, value: str, *_: object) -> str:
        return value[:-1]

    def _longer(self, value: str, *_: object) -> str:
        return value + value[-1:]

    def _wide(self, value: str, *_: object) -> str:
        return value.translate(_WIDE[self._draw(len(_WIDE))])

    def _signed(self, value: str, *_: object) -> str:
        return "-+0"[self._draw(3)] + value

    def _of_another_case(self, value: str, *_: object) -> str:
        return value.swapcase()


_WIDE = [{ord("0") + n: first + n for n in range(10)} for first in (0xFF10, 0x0660, 0x0966, 0x1D7CE)]
