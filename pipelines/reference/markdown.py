"""Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator


def table(columns: list[str], rows: list[list[str]]) -> Iterator[str]:
    """A table and the blank line after it."""
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"
    yield ""
