"""Writing a cycle as a producer does: data files, their check files, and the end file, each renamed when it is whole.

Source of the rules: the file interface, sections 2 to 4.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import polars as pl

from sftp_fixtures.settings import Cycle

# Stands in a column for bytes that no encoding of the interface can read; not a character that a value may hold.
UNREADABLE = "\x01"


@dataclass(frozen=True)
class Exchange:
    """Where and how the files of a source are written."""

    root: Path
    source: str
    encoding: str = "utf-8"
    gzip: bool = False
    rows_per_file: int = 500_000


@dataclass(frozen=True)
class Batch:
    """A data file as written: what its check file and end file say of it."""

    stem: str
    records: int
    control_total: int
    bytes: int


def write_cycle(exchange: Exchange, cycle: Cycle, records: pl.DataFrame) -> list[Batch]:
    """Write one cycle in as many files as it needs, and its end file; none but the end file where nothing happened.

    `records` has the feed's columns in order, then `control`: the amount (fen) that a record adds to the control total.
    """
    batches = [
        _write_batch(exchange, cycle, number + 1, records.slice(start, exchange.rows_per_file))
        for number, start in enumerate(range(0, records.height, exchange.rows_per_file))
    ]
    counts = [len(batches), sum(b.records for b in batches), sum(b.control_total for b in batches)]
    lines = ["|".join(map(str, counts)), *(f"{batch.stem}|{batch.records}" for batch in batches)]
    _put(exchange, cycle.feed, f"{_cycle_stem(exchange, cycle)}.END", _lines(lines))
    return batches


def _write_batch(exchange: Exchange, cycle: Cycle, seq: int, records: pl.DataFrame) -> Batch:
    stem = f"{_cycle_stem(exchange, cycle)}_{seq:04d}_00"
    total = int(records["control"].sum())
    created = f"{cycle.created_at:%Y%m%d%H%M%S}"
    header = f"H|1|{stem.replace('_', '|')}|{created}|{records.height}"
    trailer = f"T|{records.height}|{total}"
    data = _lines([header]) + _body(records.drop("control"), exchange.encoding) + _lines([trailer])
    name = f"{stem}.DAT"
    if exchange.gzip:
        name, data = f"{name}.gz", gzip.compress(data, compresslevel=1, mtime=0)
    _put(exchange, cycle.feed, name, data)
    checked = f"{cycle.created_at + timedelta(seconds=1):%Y%m%d%H%M%S}"
    check = f"{name}|{len(data)}|{records.height}|sha256:{hashlib.sha256(data).hexdigest()}|{checked}"
    _put(exchange, cycle.feed, f"{stem}.CHK", _lines([check]))
    return Batch(stem, records.height, total, len(data))


def _body(records: pl.DataFrame, encoding: str) -> bytes:
    buffer = io.BytesIO()
    records.write_csv(
        buffer,
        include_header=False,
        separator="|",
        quote_style="never",
        date_format="%Y%m%d",
        datetime_format="%Y%m%d%H%M%S",
    )
    data = buffer.getvalue()
    if encoding.lower().replace("-", "") != "utf8":
        data = data.decode("utf-8").encode(encoding)
    return data.replace(UNREADABLE.encode(), b"\xff")


def _put(exchange: Exchange, feed: str, name: str, data: bytes) -> None:
    folder = exchange.root / "outgoing" / feed
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{name}.tmp"
    partial.write_bytes(data)
    partial.rename(folder / name)


def _lines(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _cycle_stem(exchange: Exchange, cycle: Cycle) -> str:
    return f"{cycle.feed}_{exchange.source}_I_{cycle.name}"
