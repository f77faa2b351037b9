"""Lists for downstream systems by the file interface: data, check and end file (sections 2 to 4 and 10)."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime
from pathlib import Path

import polars as pl

from pipelines.clock import compact
from pipelines.durable import replace_durably, sync_directory
from pipelines.names import BatchName

FORMAT_VERSION = "1"
DELIMITER = "|"


def list_body(rows: pl.DataFrame) -> bytes:
    """The records of a list; a text that holds the delimiter gets the full-width one, as the interface demands."""
    texts = pl.col(pl.String).str.replace_all(DELIMITER, "｜", literal=True).str.replace_all("[\r\n\0]", " ")
    written = rows.with_columns(texts).write_csv(
        separator=DELIMITER,
        include_header=False,
        quote_style="never",
        date_format="%Y%m%d",
        datetime_format="%Y%m%d%H%M%S",
    )
    return written.encode()


def file_names(name: BatchName) -> tuple[str, str, str]:
    """Of a list's data, check and end file, in the order in which they appear: the end file last."""
    return (f"{name.stem}.DAT", f"{name.stem}.CHK", f"{name.cycle_key}.END")


def prepare_list(name: BatchName, body: bytes, records: int, directory: Path, created: datetime) -> None:
    """Write data, check and end file of a list as `NAME.tmp`; whoever notes that they are there syncs them before."""
    header = ["H", FORMAT_VERSION, *vars(name).values(), compact(created), str(records)]
    content = f"{DELIMITER.join(header)}\n".encode() + body + f"T|{records}|0\n".encode()
    digest = hashlib.sha256(content).hexdigest()
    check = f"{name.stem}.DAT|{len(content)}|{records}|sha256:{digest}|{compact(created)}\n"
    end = f"1|{records}|0\n{name.stem}|{records}\n"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file_name, data in zip(file_names(name), (content, check.encode(), end.encode()), strict=True):
        path = directory / f"{file_name}.tmp"
        with path.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)


def release_list(directory: Path, name: BatchName) -> None:
    """Give the files of a prepared list their names; harmless for those that have them."""
    for file_name in (f"{name.stem}.parquet", *file_names(name)):
        part = directory / f"{file_name}.tmp"
        if part.exists():
            replace_durably(part, directory / file_name)
    sync_directory(directory)
