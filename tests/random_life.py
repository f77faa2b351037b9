"""Random batches of four feeds, of few keys and moments so that they meet, and which of their rows are sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import strategies as st
from offers import Offer, batch

SOURCES = {"110": "110105", "440": "440105"}  # with an area of each
DAYS = ("20261118", "20261119")
HOURS = ("2026112209", "2026112210")
# The ends of both cycles are among them, so that records, changes and snapshots fall on one moment.
MOMENTS = [datetime(2026, 11, day, hour) for day, hour in ((17, 0), (18, 12), (19, 0), (20, 0))]
LETTERS = ("A", "B")
STATEFUL = ("USER", "CUST")
KEYS = {"USER": "U0000", "CUST": "C0000", "PAYM": "P0000", "CHNG": "E0000"}


@dataclass(frozen=True)
class Row:
    """One record: `value` is what it says beside its key; a `fault` of E406 or E401 is written into it."""

    key: str
    at: datetime
    op: str = "I"
    letter: str = "A"
    kind: str = "1"  # status of a subscriber, type of a change
    fault: str = ""

    def text(self, feed: str, source: str) -> str:
        key, when, bad = KEYS[feed] + self.key, f"{self.at:%Y%m%d%H%M%S}", "Z" if self.fault == "E406" else ""
        owner, closed = f"C0000{self.key}", "20260301" if self.kind == "9" else ""
        text = {
            "USER": f"{self.op}|{when}|{key}|{owner}|A00001|1380001000{self.key}|MOB{bad}|PLAN0{self.letter}|PRE|"
            f"{self.kind}|20260101000000|20260101|{closed}|{SOURCES[source]}|||0|||",
            "CUST": f"{self.op}|{when}|{key}|1{bad}|{self.letter}|||F|19900101|||||||{self.letter}|N|Y|20260101",
            "PAYM": f"{key}|A00001|U0000{self.key}|13800010001|20261122001500|{self.amount}|1{bad}|CASH|APP||||",
            "CHNG": f"{key}|U0000{self.entity}|C00001|13800010001|{self.kind}|20261122001500|{when}||NEW00{self.letter}"
            f"||APP{bad}|",
        }[feed]
        return text.rpartition("|")[0] if self.fault == "E401" else text

    @property
    def amount(self) -> int:
        return 100 + 100 * LETTERS.index(self.letter)

    @property
    def entity(self) -> str:
        """The subscriber that a change is of, which another version may tell otherwise; one never has a record."""
        return "129"[(int(self.key) + LETTERS.index(self.letter)) % 3]


@dataclass(frozen=True)
class Batch:
    """A data file; the last row of its rows is sound."""

    feed: str
    source: str
    mode: str
    cycle: str
    seq: str
    version: str
    rows: tuple[Row, ...]

    @property
    def slot(self) -> tuple[str, ...]:
        return (self.feed, self.source, self.mode, self.cycle, self.seq)

    @property
    def stem(self) -> str:
        return "_".join((*self.slot, self.version))

    @property
    def cycle_end(self) -> datetime:
        return datetime.strptime(self.cycle[:8], "%Y%m%d") + timedelta(days=1)  # of a day; hours have no use for it

    def offer(self) -> Offer:
        total = sum(row.amount for row in self.rows if row.fault != "E401") if self.feed == "PAYM" else 0
        return batch(self.stem, [row.text(self.feed, self.source) for row in self.rows], total)

    def judged(self) -> dict[int, tuple[Row, str]]:
        """Each line with its row and its code, empty where it is sound; of sound ones with one key the last stands."""
        found: dict[int, tuple[Row, str]] = {}
        last: dict[tuple[object, ...], int] = {}
        for line, row in enumerate(self.rows, start=2):
            is_late = self.feed in STATEFUL and row.at > self.cycle_end
            codes = row.fault if row.fault == "E401" else "+".join(["E407"] * is_late + [row.fault] * bool(row.fault))
            found[line] = (row, codes)
            if not codes:
                key = (row.key, row.at) if self.feed in STATEFUL else (row.key,)
                if key in last:
                    found[last[key]] = (found[last[key]][0], "E409")
                last[key] = line
        return found

    def sound(self) -> Iterator[tuple[int, Row]]:
        return ((line, row) for line, (row, codes) in self.judged().items() if not codes)


_row = st.builds(
    Row, st.sampled_from("123"), st.sampled_from(MOMENTS), st.sampled_from("IUUD"), st.sampled_from(LETTERS),
    fault=st.sampled_from([""] * 8 + ["E406", "E401"]),
)  # fmt: skip
_KINDS = {"USER": ("1", "1", "2", "9"), "CHNG": ("01", "02", "03", "06", "07", "08", "10", "14")}


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    feed = draw(st.sampled_from(("USER", "USER", "USER", "CUST", "PAYM", "PAYM", "CHNG", "CHNG")))
    mode = draw(st.sampled_from("IF")) if feed in STATEFUL else "I"
    rows = draw(st.lists(_row, min_size=1, max_size=4 if feed == "PAYM" else 6))
    rows = [replace(row, kind=draw(st.sampled_from(_KINDS.get(feed, ("1",))))) for row in rows]
    if mode == "F":
        rows = [replace(row, op="U") for row in rows]
    rows[-1] = replace(rows[-1], fault="", at=MOMENTS[0])
    return Batch(
        feed, draw(st.sampled_from(("110", "110", "110", "440"))), mode,
        draw(st.sampled_from(DAYS if feed in STATEFUL else HOURS)), draw(st.sampled_from(("0001", "0001", "0002"))),
        draw(st.sampled_from(("00", "00", "01", "02"))), tuple(rows),
    )  # fmt: skip
