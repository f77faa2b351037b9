"""Tables of a page: cells that are text, numbers with a tone, and counts spread over two codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipelines.reporting.figures import Row
from pipelines.reporting.words import count, share

ALL = "ALL"


@dataclass(frozen=True)
class Cell:
    """What a cell shows. `tone` is a class of the page's style, `part` (0 to 1) the length of a bar behind it."""

    text: str
    is_number: bool = True
    tone: str = ""
    part: float | None = None


@dataclass(frozen=True)
class Table:
    """`name` is its id in the page; the first cell of each row is the row's head, and its tone that of the row."""

    name: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Chart:
    """A line with its title and its last value."""

    title: str
    value: str
    svg: Markup


@dataclass(frozen=True)
class Section:
    """A part of the page; where there are neither tables nor charts the note says why."""

    name: str
    title: str
    note: str = ""
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()


def text(value: str, tone: str = "") -> Cell:
    return Cell(value, is_number=False, tone=tone)


def number(value: int) -> Cell:
    return Cell(count(value), tone="" if value else "zero")


def part(value: int, total: int) -> Cell:
    """A share as per cent, with a bar as long."""
    fraction = value / total if total else 0.0
    return Cell(share(fraction), part=round(fraction, 3), tone="" if value else "zero")


class Counts:
    """Counts by a row's code and a column's, `ALL` for all of either."""

    def __init__(self, rows: Iterable[Row], row: str, column: str, counted: str) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        for each in rows:
            for place in ((each[row], each[column]), (each[row], ALL), (ALL, each[column]), (ALL, ALL)):
                self._counts[place] += each[counted]

    def __getitem__(self, place: tuple[str, str]) -> int:
        return self._counts[place]

    def cells(self, row: str, columns: Sequence[str]) -> list[Cell]:
        return [number(self[row, column]) for column in columns]
