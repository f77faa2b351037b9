"""How commands speak: tables or JSON, progress bars on a terminal and plain lines elsewhere, exit statuses."""

from __future__ import annotations

import json
import math
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from pipelines.plain_text import plain

# Elsewhere than on a terminal a row is a line, however long, for grep and for files.
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 10_000)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


_WORTH_TELLING = 500  # batches; fewer are done before anybody wonders


# How help looks in every part of the command: plain text, for terminals, files and mails alike.
PLAIN: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None}


_MOST_IN_A_TABLE = 1_000  # rows; a terminal scrolls more of them by without measuring each


_COMMAND = re.compile(r"(?<![\w/])tierline (?=[a-z])(?!demo)")  # as messages name commands to go on with
_named_home: Path | None = None


class Exit(IntEnum):
    """Exit statuses of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3  # done, but something was refused or rejected
    LATE = 4  # done, but a cycle is late or missing


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, as_json: bool, title: str = "") -> None:
    """Rows as a table for people, or as a JSON list of objects for programs."""
    if as_json:
        say_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    cells = [[_cell(value) for value in row] for row in rows]
    is_number = [
        bool(rows) and all(isinstance(row[number], int | float | None) for row in rows)
        for number in range(len(columns))
    ]
    if not console.is_terminal or len(rows) > _MOST_IN_A_TABLE:
        if title:
            sys.stdout.write(f"{plain(title)}\n")
        _say_lines(columns, cells, is_number)
        return
    table = Table(title=title or None, title_justify="left", header_style="bold", pad_edge=False, box=None)
    for column, right in zip(columns, is_number, strict=True):
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))  # brackets in a value are no markup
    console.print(table)


def _say_lines(columns: Sequence[str], cells: list[list[str]], is_number: list[bool]) -> None:
    """A line a row, however long, for grep and for files."""
    widths = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
    for row in [list(columns), *cells]:
        padded = [
            " " * (width - cell_len(cell)) + cell if right else cell + " " * (width - cell_len(cell))
            for cell, width, right in zip(row, widths, is_number, strict=True)
        ]
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def say_json(value: Any) -> None:
    """A value as JSON on standard output; times in ISO form, numbers that JSON has not (NaN, infinities) as null.

    What would steer a terminal is escaped as JSON does.
    """
    written = json.dumps(_in_json(value), ensure_ascii=False, indent=2, default=str)
    if not written.replace("\n", "").isprintable():
        written = "".join(sign if plain(sign, "\n") == sign else json.dumps(sign)[1:-1] for sign in written)
    sys.stdout.write(f"{written}\n")


def _in_json(value: Any) -> Any:
    """A value with what Python's JSON writer does not make JSON of put right: keys of other types, odd floats."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _in_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_in_json(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def name_home(home: Path | None) -> None:
    """Have commands that are named from now on carry the `--home` that this one was given, to be pasted as they are."""
    global _named_home
    _named_home = home


def say(message: str) -> None:
    """A line for whoever reads along."""
    console.print(_told(message), markup=False)


def complain(message: str) -> None:
    """A line on standard error."""
    errors.print(_told(message), markup=False)


def _told(message: str) -> str:
    if _named_home is not None:
        command = f"tierline --home {shlex.quote(str(_named_home))} "
        message = _COMMAND.sub(lambda _: command, message)
    return plain(message, "\n")


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function to be told (done, total): a bar on a terminal, a line at each tenth elsewhere.

    On standard error, for standard output may be JSON.
    """
    if not errors.is_terminal:
        yield _plain_progress(what)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _plain_progress(what: str) -> Callable[[int, int], None]:
    said = -1

    def tell(done: int, total: int) -> None:
        nonlocal said
        tenth = done * 10 // max(total, 1)
        if tenth > said and total >= _WORTH_TELLING:
            said = tenth
            complain(f"{what}: {done} of {total}")

    return tell


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return plain(str(value))
