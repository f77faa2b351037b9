"""Splitting decoded lines into fields: fast for what is regular, exact for what is not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pyarrow import csv

from pipelines.checks.blocks import has_longer_line

INDEX = "row:index"  # of the line within its block, from 0
_BOM = "\ufeff".encode()
_LF, _CR, _NUL = b"\n\r\0"
_FAST_BYTES = 4 << 20
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SplitBlock:
    """Fields as text by column (an empty one is null) plus INDEX, in the order of the lines; and lines with E401."""

    fields: pl.DataFrame
    ragged: tuple[int, ...]  # indexes of lines within the block


def count_lines(block: bytes) -> int:
    """How many line ends a block holds."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == _LF))


def line_borders(block: bytes) -> tuple[Places, Places]:
    """Where each line begins, and where its line end (LF, or the end of the block) stands."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _LF)
    if not block.endswith(b"\n"):
        ends = np.append(ends, len(block))
    return np.concatenate(([0], ends[:-1] + 1)), ends


def split_block(text: bytes, columns: tuple[str, ...], delimiter: str, leave: tuple[int, ...] = ()) -> SplitBlock:
    """Split lines of UTF-8 (LF or CRLF) into the contract's columns; lines in `leave` are passed over."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    if not leave and not _has_odd_bytes(text) and _may_be_regular(text, len(columns), delimiter):
        fields = _split_regular(text, columns, delimiter)
        if fields is not None:
            return SplitBlock(fields.with_row_index(INDEX), ())
    return _split_mixed(text, columns, delimiter, leave)


def _has_odd_bytes(text: bytes) -> bool:
    """Bytes that the fast reader takes for something else than a value's."""
    return b"\r" in text or b"\0" in text or text.startswith(_BOM)


def _may_be_regular(text: bytes, width: int, delimiter: str) -> bool:
    """Whether there are as many delimiters as rows of `width` fields have; a blank line is a row of one field."""
    lines = count_lines(text) + (0 if text.endswith(b"\n") else bool(text))
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord(delimiter))) == lines * (width - 1)


def _split_regular(text: bytes, columns: tuple[str, ...], delimiter: str) -> pl.DataFrame | None:
    """All lines at once, or None where one has another number of fields."""
    if not text:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    ragged: list[object] = []

    def note(row: object) -> str:
        ragged.append(row)
        return "skip"

    table = csv.read_csv(
        pa.BufferReader(text),
        read_options=csv.ReadOptions(
            column_names=list(columns), block_size=_block_size(text), use_threads=len(text) > 1 << 20
        ),
        parse_options=csv.ParseOptions(
            delimiter=delimiter, quote_char=False, escape_char=False, ignore_empty_lines=False, invalid_row_handler=note
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()), null_values=[""], strings_can_be_null=True,
            check_utf8=False,
        ),
    )  # fmt: skip
    if ragged:
        return None
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _block_size(text: bytes) -> int:
    """The fast reader wants a line end in each of its blocks; a contract may allow lines that are longer than they."""
    return len(text) if has_longer_line(text, _FAST_BYTES // 2) else _FAST_BYTES


def _split_mixed(text: bytes, columns: tuple[str, ...], delimiter: str, leave: tuple[int, ...]) -> SplitBlock:
    """The regular lines go the fast way together, the odd ones the exact way."""
    starts, ends = line_borders(text)
    delimiters = np.flatnonzero(np.frombuffer(text, np.uint8) == ord(delimiter))
    is_ragged = np.diff(np.searchsorted(delimiters, ends), prepend=0) != len(columns) - 1
    is_ragged[list(leave)] = False
    is_odd = np.zeros(len(ends), bool)
    is_odd[np.searchsorted(ends, _odd_places(text))] = True
    is_odd &= ~is_ragged
    is_regular = ~is_ragged & ~is_odd
    is_regular[list(leave)] = is_odd[list(leave)] = False
    fast = _split_regular(_joined(text, is_regular, starts, ends), columns, delimiter)
    assert fast is not None, "lines counted as regular did not split"
    if not is_odd.any():
        return SplitBlock(_indexed(fast, is_regular), tuple(np.flatnonzero(is_ragged).tolist()))
    odd = pl.Series([text[starts[at] : ends[at]].decode() for at in np.flatnonzero(is_odd)], dtype=pl.String)
    exact = odd.str.split_exact(delimiter, len(columns) - 1).struct.unnest()
    exact = exact.rename(dict(zip(exact.columns, columns, strict=True)))
    exact = exact.select(pl.when(pl.col(name) != "").then(name) for name in columns)
    parts = [_indexed(fast, is_regular), _indexed(exact, is_odd)]
    return SplitBlock(pl.concat(parts).sort(INDEX), tuple(np.flatnonzero(is_ragged).tolist()))


def _odd_places(text: bytes) -> Places:
    """Where bytes stand that the fast reader would take for something else: see `_has_odd_bytes`."""
    data = np.frombuffer(text, np.uint8)
    marks = [match.start() for match in re.finditer(_BOM, text)]
    return np.concatenate((np.flatnonzero((data == _CR) | (data == _NUL)), np.array(marks, np.int64)))


def _joined(text: bytes, chosen: npt.NDArray[np.bool_], starts: Places, ends: Places) -> bytes:
    """The chosen lines, each with a line end; neighbours are cut out together."""
    borders = np.flatnonzero(np.diff(np.concatenate(([False], chosen, [False])).astype(np.int8)))
    runs = [text[starts[first] : ends[after - 1]] for first, after in list(pairwise(borders.tolist()))[::2]]
    return b"".join(run + b"\n" for run in runs)


def _indexed(fields: pl.DataFrame, chosen: npt.NDArray[np.bool_]) -> pl.DataFrame:
    return fields.with_columns(pl.Series(INDEX, np.flatnonzero(chosen), dtype=pl.UInt32))
