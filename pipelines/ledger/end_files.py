"""End files that stand, one a cycle."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from pipelines.check_files import EndEntry, EndFile
from pipelines.ledger.tables import end_file
from pipelines.names import CycleKey


def record_end(connection: Connection, key: CycleKey, end: EndFile, digest: str, at: datetime) -> None:
    """Let an end file stand for its cycle; one sent again replaces the former."""
    connection.execute(delete(end_file).where(*_is(key)))
    entries = json.dumps([[entry.stem, entry.records] for entry in end.entries])
    connection.execute(
        insert(end_file).values(
            feed=key.feed, source=key.source, mode=key.mode, cycle=key.cycle, files=end.files, records=end.records,
            control_total=end.control_total, entries=entries, digest=digest, taken_at=at,
        )
    )  # fmt: skip


def standing_ends(connection: Connection, *conditions: Any) -> dict[CycleKey, EndFile]:
    """The end file of every cycle that has one, by SQLAlchemy conditions on the table."""
    return {_key(row): _end(row) for row in connection.execute(select(end_file).where(*conditions))}


def end_times(connection: Connection, *conditions: Any) -> dict[CycleKey, datetime]:
    """When the end file was taken that stands for a cycle, by SQLAlchemy conditions on the table."""
    return {_key(row): row.taken_at for row in connection.execute(select(end_file).where(*conditions))}


def _is(key: CycleKey) -> list[Any]:
    return [end_file.c[part] == getattr(key, part) for part in ("feed", "source", "mode", "cycle")]


def _key(row: Any) -> CycleKey:
    return CycleKey(row.feed, row.source, row.mode, row.cycle)


def _end(row: Any) -> EndFile:
    entries = tuple(EndEntry(stem, records) for stem, records in json.loads(row.entries))
    return EndFile(row.files, row.records, row.control_total, entries)
