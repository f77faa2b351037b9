"""What a benchmark found: a figure beside its bound, said as a row of a table and noted for the report.

The bounds are those of the specification's table of performance. A figure is reached when its ratio to the bound (or
the value itself, where there is nothing to measure against) and its memory are within what is asked.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.cli.output import say

sys.path.insert(0, str(Path(__file__).parents[1]))  # what tests share: homes, offers

NOTED_IN = "TIERLINE_BENCH_FIGURES"  # names the file that figures are noted in, a JSON line each


@dataclass(frozen=True)
class Bound:
    """What is asked: of the ratio to `against`, measured in the same run, or of the value where that is empty."""

    what: str
    against: str
    reach: float
    at_most: bool = False  # seconds; else rates
    most_mb: int = 4096

    def words(self, unit: str) -> str:
        """What must be reached, in words; the unit is that of the value, a ratio has none."""
        word = "at most" if self.at_most else "at least"
        return f"{word} {_number(self.reach)} {'' if self.against else unit}".rstrip()


_TRANSFER = {"most_mb": 150}
_CHECKS = {"most_mb": 1024}
_TYPED = "DuckDB typed read_csv into a table"
BOUNDS = {
    "sftp_large": Bound("one SFTP file of 1 GB, verified and archived", "OpenSSH sftp", 0.40, **_TRANSFER),
    "sftp_small": Bound("2,000 SFTP files of 20 KB with check files", "OpenSSH sftp", 0.8, **_TRANSFER),
    "ftp_large": Bound("one FTP file of 1 GB, verified and archived", "lftp", 0.6, **_TRANSFER),
    "ftp_small": Bound("2,000 FTP files of 20 KB with check files", "lftp", 0.6, **_TRANSFER),
    "checks_clean": Bound("UTF-8 file to staged Parquet, clean", _TYPED, 0.75, **_CHECKS),
    "checks_bad": Bound("UTF-8 file to staged Parquet, 1 % bad", _TYPED, 0.60, **_CHECKS),
    "checks_gb18030": Bound("GB18030 file to staged Parquet", f"{_TYPED}, of UTF-8", 0.45, **_CHECKS),
    "small_files": Bound("10,000 files of 100 rows, checked and staged", "", 150),
    "workers": Bound("intake by two workers on one machine, a thread of Polars each", "one such worker", 1.6),
    "core": Bound("staged Parquet into core, 5 M payments", "DuckDB insert … select", 1.5, at_most=True),
    "changes": Bound("10,000 changes into the history of 5 M subscribers", "", 3, at_most=True),
    "changes_growth": Bound("the same, growth", "root of the growth of the history", 1, at_most=True),
    "resend": Bound("resend of 100,000 rows in 50 M", "", 5, at_most=True),
    "publication": Bound("publication after such a batch", "plain copy with fsync", 3, at_most=True),
    "publication_s": Bound("publication after such a batch, 5 M subscribers", "", 10, at_most=True),
    "marts": Bound("marts of a month, 1 M subscribers", "", 60, at_most=True),
    "marts_growth": Bound("marts, from 100 k to 1 M subscribers", "", 11, at_most=True),
    "hourly": Bound("hourly increment to delivered TIER increment, 1 M subscribers", "", 15, at_most=True),
    "whole_way": Bound(
        "whole way, 1 M payments in 50 files over SFTP", "lftp mirror and unchecked read_csv", 2.5, at_most=True
    ),
    "dlt": Bound("whole way, 10 times faster than dlt", "dlt", 1 / 10, at_most=True),
    "pandas": Bound("whole way, 3 times faster than paramiko with pandas", "paramiko and pandas", 1 / 3, at_most=True),
    "spark": Bound("marts by Spark, 1 M subscribers, two cores", "DuckDB's", 4, at_most=True, most_mb=10_000),
    "spark_growth": Bound("marts by Spark, from 1 M to 3 M subscribers", "", 3, at_most=True, most_mb=10_000),
    "poll": Bound("poll with nothing new in Airflow", "a bare run of one task", 1.5, at_most=True),
}


@dataclass(frozen=True)
class Figure:
    """One thing measured: `value` is ours, `against` the bound's in the same unit and run, `mb` the peak memory.

    `bound` names one of `BOUNDS`, or nothing where nothing is asked.
    """

    bound: str
    what: str
    value: float
    unit: str
    against: float | None = None
    mb: float | None = None

    @property
    def asked(self) -> Bound | None:
        return BOUNDS[self.bound] if self.bound else None

    @property
    def ratio(self) -> float | None:
        return self.value / self.against if self.against else None

    @property
    def share(self) -> float | None:
        """How much of what is asked was reached: 1 is just enough, more is better."""
        if self.asked is None:
            return None
        found = self.value if self.ratio is None else self.ratio
        return self.asked.reach / found if self.asked.at_most else found / self.asked.reach

    @property
    def is_reached(self) -> bool | None:
        if self.asked is None or self.share is None:
            return None
        return self.share >= 1 and (self.mb or 0) <= self.asked.most_mb

    def cells(self) -> list[str]:
        """As a row of a table with the columns `COLUMNS`."""
        asked = self.asked
        against = f"{asked.against} {_number(self.against)}" if asked and self.against else _number(self.against)
        return [
            self.what, f"{_number(self.value)} {self.unit}", against, _number(self.ratio),
            asked.words(self.unit) if asked else "",
            f"{self.mb:,.0f}" if self.mb else "", f"{asked.most_mb:,}" if asked and self.mb else "",
            {None: "", True: "yes", False: "**no**"}[self.is_reached],
        ]  # fmt: skip


COLUMNS = ["what", "ours", "bound", "ratio", "asked", "peak MB", "asked MB", "reached"]


@dataclass(frozen=True)
class Finding:
    """A table of words rather than figures."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""


def tell(note: str, *figures: Figure) -> None:
    """Say figures as a table below a note of sizes and runs, and note them for the report."""
    say(f"{note}\n\n{markdown(COLUMNS, [figure.cells() for figure in figures])}")
    for figure in figures:
        _note("figure", asdict(figure))


def tell_finding(finding: Finding) -> None:
    """The same for a table of words."""
    say(f"{finding.title}\n\n{markdown(finding.columns, finding.rows)}\n{finding.note}")
    _note("finding", asdict(finding))


def noted(path: Path) -> tuple[list[Figure], list[Finding]]:
    """What was noted in a file; nothing where a script noted nothing."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    entries = [json.loads(line) for line in lines]
    figures = [Figure(**each["figure"]) for each in entries if "figure" in each]
    return figures, [Finding(**each["finding"]) for each in entries if "finding" in each]


def _note(kind: str, entry: dict[str, object]) -> None:
    if name := os.environ.get(NOTED_IN):
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(json.dumps({kind: entry}, ensure_ascii=False) + "\n")


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; a bar in a cell is kept from being taken for the end of it."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"
