"""When cycles became complete, as the ledger tells: by that their feeds' punctuality is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from pipelines.check_files import EndFile
from pipelines.ledger.end_files import end_times
from pipelines.ledger.offerings import accepted_times
from pipelines.ledger.tables import end_file, offering
from pipelines.names import BatchName, CycleKey, parse_stem


class Punctuality:
    """When end files and batches came, read at once; of one source where it is named."""

    def __init__(self, connection: Connection, source: str | None = None) -> None:
        self._ended = end_times(connection, *_of(end_file, source))
        self._came = accepted_times(connection, *_of(offering, source))

    def completed_at(self, key: CycleKey, end: EndFile) -> datetime:
        """Since when a complete cycle has its end file and every stem that it names, or a newer version of it.

        Of an end file that was sent again only the last one is known, and counts.
        """
        names = [name for entry in end.entries if (name := parse_stem(entry.stem)) is not None]
        return max([self._ended[key], *map(self._since, names)])

    def _since(self, name: BatchName) -> datetime:
        versions = self._came[name.cycle_key, name.seq]
        return min(at for version, at in versions.items() if version >= name.version)


def _of(table: Any, source: str | None) -> list[Any]:
    return [] if source is None else [table.c.source == source]
