"""What the checks leave behind: staged rows and rejects of one batch, as Parquet, whole or not at all.

`<stem>.parquet` has the contract's columns in their types, `batch_stem` and `line`; `<stem>.rejects.parquet` has
`line`, `codes`, `columns`, `record` (the bytes as they came, without the line end) and `entity_key` (what the row
names, where that can be trusted). Both are sorted by line.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.checks.compiling import DTYPES
from pipelines.checks.places import StagedPaths
from pipelines.contracts.model import Contract, Type
from pipelines.durable import replace_durably

REJECT_SCHEMA = {
    "line": pl.Int64(),
    "codes": pl.String(),
    "columns": pl.String(),
    "record": pl.Binary(),
    "entity_key": pl.String(),
}


_REJECTS_AT_ONCE = 10_000


def staged_schema(contract: Contract) -> dict[str, pl.DataType]:
    """Names and types of staged columns, in the order of the file; facts and records of core have them too."""
    columns: dict[str, pl.DataType] = {column.name: DTYPES[column.type] for column in contract.columns}
    return columns | {"batch_stem": pl.String(), "line": pl.Int64()}


def rows_sink(paths: StagedPaths, contract: Contract) -> ParquetSink:
    """Where the sound rows of a batch go, in the staged schema."""
    repeating = [column.name for column in contract.columns if column.type in (Type.CODE, Type.MONTH)]
    return ParquetSink(paths.rows, staged_schema(contract), [*repeating, "batch_stem"])


def rejects_sink(paths: StagedPaths) -> ParquetSink:
    """Where the rejects of a batch go, in REJECT_SCHEMA."""
    return ParquetSink(paths.rejects, REJECT_SCHEMA, ["codes", "columns"])


class ParquetSink:
    """Writes frames of one schema to `path` in a thread of its own, one behind; the file appears when it is closed.

    `repeating` are columns of few values: a dictionary pays for these only. Statistics pay for none but `line`.
    """

    def __init__(self, path: Path, schema: dict[str, pl.DataType], repeating: list[str]) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._part.parent.mkdir(parents=True, exist_ok=True)
        self._arrow: pa.Schema = pl.DataFrame(schema=schema).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
        self._writer = pq.ParquetWriter(
            self._part, self._arrow, compression="snappy", use_dictionary=repeating, write_statistics=["line"]
        )
        self._thread = ThreadPoolExecutor(1)
        self._pending: Future[None] | None = None
        self._columns = list(schema)

    def write(self, frame: pl.DataFrame) -> None:
        """Hand a frame over; waits while the one before is still being written, so memory stays bounded."""
        if frame.height:
            self._settle()
            self._pending = self._thread.submit(self._write, frame.select(self._columns))

    def _write(self, frame: pl.DataFrame) -> None:
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        self._writer.write_table(table.cast(self._arrow))

    def _settle(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._settle()
        finally:
            self._thread.shutdown(wait=True)
            self._writer.close()
        if error is None:
            replace_durably(self._part, self._path)
        else:
            self._part.unlink()


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
