"""What the checks leave behind: staged rows and rejects of one batch, as Parquet, whole or not at all.

`<stem>.parquet` has the columns of all versions of the contract in their types (null where the file's version has
none), `batch_stem` and `line`; `<stem>.rejects.parquet` has `line`, `codes`, `columns`, `record` (the bytes as they
came, without the line end) and `entity_key` (what the row names, where that can be trusted). Both are sorted by line.
They are not synced to disk: whoever gives them their place does that.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.checks.places import StagedPaths
from pipelines.contracts.conditions import POLARS_TYPES
from pipelines.contracts.model import Contract, Type

REJECT_SCHEMA = {
    "line": pl.Int64(),
    "codes": pl.String(),
    "columns": pl.String(),
    "record": pl.Binary(),
    "entity_key": pl.String(),
}


_REJECTS_AT_ONCE = 10_000


def staged_schema(agreed: Contract) -> dict[str, pl.DataType]:
    """Names and types of staged columns, those of former versions last; facts and records of core have them too."""
    columns: dict[str, pl.DataType] = {column.name: POLARS_TYPES[column.type] for column in agreed.stored_columns}
    return columns | {"batch_stem": pl.String(), "line": pl.Int64()}


def rows_sink(paths: StagedPaths, agreed: Contract) -> ParquetSink:
    """Where the sound rows of a batch go, in the staged schema."""
    repeating = [column.name for column in agreed.stored_columns if column.type in (Type.CODE, Type.MONTH)]
    return ParquetSink(paths.rows, staged_schema(agreed), [*repeating, "batch_stem"])


def rejects_sink(paths: StagedPaths) -> ParquetSink:
    """Where the rejects of a batch go, in REJECT_SCHEMA."""
    return ParquetSink(paths.rejects, REJECT_SCHEMA, ["codes", "columns"])


class ParquetSink:
    """Writes frames of one schema to `path` in a thread of its own, behind by a frame; the file appears at the end.

    `repeating` are columns of few values: a dictionary pays for these only. Statistics pay for none but `line`.
    """

    def __init__(self, path: Path, schema: dict[str, pl.DataType], repeating: list[str]) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._arrow = _arrow_schema(tuple(schema.items()))
        self._repeating = repeating
        self._writer: pq.ParquetWriter | None = None
        self._thread = ThreadPoolExecutor(1)
        self._pending: Future[None] | None = None
        self._last: pl.DataFrame | None = None  # a file of one block needs no thread
        self._columns = list(schema)

    def write(self, frame: pl.DataFrame) -> None:
        """Hand a frame over; waits while the one before is still being written, so memory stays bounded."""
        if frame.height:
            if self._last is not None:
                self._settle()
                self._pending = self._thread.submit(self._write, self._last)
            self._last = frame.select(self._columns)

    def _write(self, frame: pl.DataFrame) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._part, self._arrow, compression="snappy", use_dictionary=self._repeating, write_statistics=["line"]
            )
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        self._writer.write_table(table.cast(self._arrow))

    def _settle(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def _finish(self) -> None:
        self._settle()
        if self._last is not None:
            self._write(self._last)
        else:
            self._part.write_bytes(_empty_file(self._arrow))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            self._thread.shutdown(wait=True)
            if self._writer is not None:
                self._writer.close()
        if error is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)


@cache
def _arrow_schema(columns: tuple[tuple[str, pl.DataType], ...]) -> pa.Schema:
    return pl.DataFrame(schema=dict(columns)).to_arrow(compat_level=pl.CompatLevel.oldest()).schema


@cache
def _empty_file(schema: pa.Schema) -> bytes:
    """Parquet of no rows: most batches have no rejects."""
    buffer = pa.BufferOutputStream()
    pq.ParquetWriter(buffer, schema).close()
    return bytes(buffer.getvalue())


def read_rejects(paths: StagedPaths) -> Iterator[dict[str, Any]]:
    """The rejected rows of a batch by line, as dictionaries of REJECT_SCHEMA."""
    return pl.read_parquet(paths.rejects).sort("line").iter_rows(named=True)


class RejectLines:
    """The content of `.REJ` in blocks: `line|codes|columns|record` for each rejected row, the record byte for byte.

    It can be gone through more than once, and holds a part of the rows at a time.
    """

    def __init__(self, paths: StagedPaths) -> None:
        self._path = paths.rejects

    def __iter__(self) -> Iterator[bytes]:
        for batch in pq.ParquetFile(self._path).iter_batches(_REJECTS_AT_ONCE):
            yield b"".join(
                f"{row['line']}|{row['codes']}|{row['columns']}|".encode() + row["record"] + b"\n"
                for row in batch.to_pylist()
            )
