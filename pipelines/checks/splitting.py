"""Splitting decoded lines into fields: fast for what is regular, exact for what is not."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pyarrow as pa
from pyarrow import csv

INDEX = "line_index"  # of the line within its block, from 0
_BOM = "\ufeff".encode()


@dataclass(frozen=True)
class SplitBlock:
    """Fields as text by column plus INDEX, in the order of the lines, and the indexes of lines with E401."""

    fields: pl.DataFrame
    ragged: tuple[int, ...]


def split_block(text: bytes, columns: tuple[str, ...], delimiter: str, leave: tuple[int, ...] = ()) -> SplitBlock:
    """Split lines of UTF-8 (LF or CRLF) into the contract's columns; lines in `leave` are passed over."""
    text = text.replace(b"\r\n", b"\n")
    blank = text.startswith(b"\n") or b"\n\n" in text  # the fast reader takes a blank line for a whole row
    odd = b"\r" in text or b"\0" in text or text.startswith(_BOM)
    regular = not (leave or blank or odd)
    if regular:
        fields = _split_regular(text, columns, delimiter)
        if fields is not None:
            return SplitBlock(fields.with_row_index(INDEX), ())
    return _split_each(text, columns, delimiter, leave)


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
        read_options=csv.ReadOptions(column_names=list(columns), block_size=1 << 20),
        parse_options=csv.ParseOptions(
            delimiter=delimiter, quote_char=False, escape_char=False, ignore_empty_lines=False, invalid_row_handler=note
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False, check_utf8=False
        ),
    )
    if ragged:
        return None
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _split_each(text: bytes, columns: tuple[str, ...], delimiter: str, leave: tuple[int, ...]) -> SplitBlock:
    """Line by line in effect: the regular ones go the fast way together, the odd ones the exact way."""
    values = text.decode().removesuffix("\n").split("\n")
    lines = pl.DataFrame({"line": values}).with_row_index(INDEX)
    lines = lines.filter(~pl.col(INDEX).is_in(leave))
    is_ragged = pl.col("line").str.count_matches(delimiter, literal=True) != len(columns) - 1
    ragged = lines.filter(is_ragged)[INDEX].to_list()
    lines = lines.filter(~is_ragged)
    is_odd = pl.col("line").str.contains("[\r\0\ufeff]")
    odd, regular = lines.filter(is_odd), lines.filter(~is_odd)
    joined = "".join(f"{line}\n" for line in regular["line"]).encode()
    fast = _split_regular(joined, columns, delimiter)
    assert fast is not None, "lines counted as regular did not split"
    exact = odd["line"].str.split_exact(delimiter, len(columns) - 1).struct.unnest()
    exact = exact.rename(dict(zip(exact.columns, columns, strict=True)))
    fields = pl.concat([fast.with_columns(regular[INDEX]), exact.with_columns(odd[INDEX])]).sort(INDEX)
    return SplitBlock(fields, tuple(ragged))
