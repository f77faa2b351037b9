"""E409: of several otherwise sound rows of a file with one key the last stands; the earlier ones are rejected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow.parquet as pq

from pipelines.checks.places import StagedPaths
from pipelines.checks.staging import rejects_sink, rows_sink
from pipelines.contracts.model import Contract

_BATCH_ROWS = 1 << 18


class KeyHashes:
    """Eight bytes a row instead of its key: enough to know that no key stands twice, or which rows to look at."""

    def __init__(self, key: tuple[str, ...]) -> None:
        self._key = key
        self._parts: list[pl.Series] = []

    def add(self, sound: pl.DataFrame) -> None:
        self._parts.append(hash_keys(sound, self._key))

    @property
    def repeated(self) -> pl.Series:
        """Hashes that occur more than once."""
        hashes = pl.concat(self._parts) if self._parts else pl.Series(dtype=pl.UInt64)
        if hashes.n_unique() == len(hashes):
            return hashes.clear()
        return hashes.filter(hashes.is_duplicated()).unique()


def hash_keys(rows: pl.DataFrame, key: tuple[str, ...]) -> pl.Series:
    """One hash a row, named `key`; the same in every block of one process."""
    if len(key) == 1:
        return rows[key[0]].hash(seed=1).alias("key")
    return rows.select(pl.struct(key).hash(seed=1).alias("key"))["key"]


def drop_duplicates(
    staged: StagedPaths, agreed: Contract, control_column: str | None, repeated: pl.Series, content: Iterable[bytes]
) -> tuple[int, int]:
    """Move the earlier rows of each repeated key from the staged rows to the rejects.

    Returns how many, and their sum of the control column. `content` gives the lines of the file once more.
    """
    earlier = _earlier_rows(staged, agreed.key, control_column, repeated)
    if earlier.is_empty():
        return 0, 0
    lines = earlier["line"].to_numpy()
    records = _records_at(set(lines.tolist()), content)
    rejects = earlier.select(
        "line",
        codes=pl.lit("E409"),
        columns=pl.lit(agreed.key[0]),
        record=pl.Series([records[line] for line in lines.tolist()], dtype=pl.Binary),
        entity_key=pl.lit(None, pl.String),
    )
    all_rejects = pl.concat([pl.read_parquet(staged.rejects), rejects]).sort("line")
    with rejects_sink(staged) as sink:
        sink.write(all_rejects)
    with rows_sink(staged, agreed) as sink:
        for rows in _batches(staged, None):
            sink.write(rows.filter(~pl.col("line").is_in(earlier["line"].implode())))
    control = earlier[control_column].cast(pl.Int128).sum() if control_column else 0
    return earlier.height, int(control)


def _earlier_rows(
    staged: StagedPaths, key: tuple[str, ...], control_column: str | None, repeated: pl.Series
) -> pl.DataFrame:
    columns = list(dict.fromkeys([*key, "line", *([control_column] if control_column else [])]))
    suspects = [rows.filter(hash_keys(rows, key).is_in(repeated.implode())) for rows in _batches(staged, columns)]
    rows = pl.concat(suspects)
    return rows.filter(pl.col("line") < pl.col("line").max().over(key)).sort("line")


def _batches(staged: StagedPaths, columns: list[str] | None) -> Iterator[pl.DataFrame]:
    with pq.ParquetFile(staged.rows) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)
            yield frame


def _records_at(lines: set[int], blocks: Iterable[bytes]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    first_line = 1
    for block in blocks:
        count = block.count(b"\n")
        wanted = [line for line in lines if first_line <= line <= first_line + count]
        if wanted:
            raw = block.split(b"\n")
            found |= {line: raw[line - first_line].removesuffix(b"\r") for line in wanted}
        first_line += count
    return found
