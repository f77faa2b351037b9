"""Rows for people who open them in a spreadsheet. Lists for programs keep every value as it is."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pipelines.plain_text import plain

# What a spreadsheet takes for the beginning of a formula; a tab or line end before one does not keep it from that.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def say_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows as CSV on standard output, with a byte order mark by which spreadsheets know UTF-8."""
    sys.stdout.write("\ufeff")
    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    writer.writerow(map(_harmless, columns))
    writer.writerows(map(_harmless, row) for row in rows)


def _harmless(value: Any) -> Any:
    """A text that would be run as a formula with an apostrophe before it; numbers stay numbers."""
    if value is None or isinstance(value, int | float | Decimal):
        return value
    text = plain(str(value), "\t\r\n")
    return f"'{text}" if text.startswith(_FORMULA) else text
