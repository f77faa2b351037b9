"""Files that stay on a server: which, since when, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from pipelines.arrival import LeftFile
from pipelines.ledger.tables import left_file
from pipelines.names import CycleKey, parse_end_name

_LONGEST = 400


def note_left(
    connection: Connection, source: str, directory: str, left: Iterable[LeftFile], not_looked_at: set[str], at: datetime
) -> None:
    """Replace what is known of a directory by what a listing showed; the time of first sight is kept.

    Of files `not_looked_at` this time what was known stays.
    """
    here = (left_file.c.source == source) & (left_file.c.directory == directory)
    rows = connection.execute(select(left_file.c.file_name, left_file.c.first_seen_at).where(here))
    first_seen = {row.file_name: row.first_seen_at for row in rows}
    for name in first_seen.keys() - {printable(name) for name in not_looked_at}:
        connection.execute(delete(left_file).where(here, left_file.c.file_name == name))
    rows_now = [
        {
            "source": source, "directory": directory, "file_name": printable(each.file_name), "code": each.code,
            "reason": each.reason, "first_seen_at": first_seen.get(printable(each.file_name), at), "last_seen_at": at,
        }
        for each in left
    ]  # fmt: skip
    if rows_now:
        connection.execute(insert(left_file), rows_now)


def overdue(
    connection: Connection, source: str, directory: str, first_seen_by: datetime
) -> list[tuple[str, str | None, str]]:
    """Left files to report (name, code, reason): with a code, or that have waited since before `first_seen_by`."""
    query = (
        select(left_file.c.file_name, left_file.c.code, left_file.c.reason)
        .where(left_file.c.source == source, left_file.c.directory == directory)
        .where(left_file.c.code.is_not(None) | (left_file.c.first_seen_at <= first_seen_by))
        .order_by(left_file.c.file_name)
    )
    return [(row.file_name, row.code, row.reason) for row in connection.execute(query)]


def all_left(connection: Connection) -> list[dict[str, Any]]:
    """Every file that was left at the last poll of its directory."""
    query = select(left_file).order_by(left_file.c.source, left_file.c.directory, left_file.c.file_name)
    return [dict(row._mapping) for row in connection.execute(query)]


def ends_left(connection: Connection) -> dict[CycleKey, str]:
    """The cycles of which an end file that cannot be taken is left (E207), and why it cannot."""
    found = connection.execute(select(left_file.c.file_name, left_file.c.reason).where(left_file.c.code == "E207"))
    return {key: row.reason for row in found if (key := parse_end_name(row.file_name)) is not None}


def printable(name: str) -> str:
    """A file name of any bytes as text that every terminal and database can hold."""
    text = name.encode("unicode_escape").decode()
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]  # two long names must not become one
    return f"{text[: _LONGEST - 17]}…{digest}"
