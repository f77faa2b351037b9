"""Lists for downstream systems by the file interface: data, check and end file (sections 2 to 4 and 10)."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from pipelines.clock import compact
from pipelines.durable import replace_durably, sync_directory
from pipelines.names import BatchName

FORMAT_VERSION = "1"
DELIMITER = "|"


@dataclass(frozen=True)
class PreparedList:
    """One list of one source, written but not yet under its name."""

    name: BatchName
    records: int
    body_digest: str  # of the records alone: equal content is recognised whenever it was written
    directory: Path

    @property
    def file_names(self) -> tuple[str, ...]:
        """In the order in which they appear: the end file last."""
        return (f"{self.name.stem}.DAT", f"{self.name.stem}.CHK", f"{self.name.cycle_key}.END")


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


def prepare_list(name: BatchName, rows: pl.DataFrame, directory: Path, created: datetime) -> PreparedList:
    """Write data, check and end file of a list as `NAME.tmp`; whoever notes that they are there syncs them before."""
    body = list_body(rows)
    header = ["H", FORMAT_VERSION, *vars(name).values(), compact(created), str(rows.height)]
    content = f"{DELIMITER.join(header)}\n".encode() + body + f"T|{rows.height}|0\n".encode()
    digest = hashlib.sha256(content).hexdigest()
    check = f"{name.stem}.DAT|{len(content)}|{rows.height}|sha256:{digest}|{compact(created)}\n"
    end = f"1|{rows.height}|0\n{name.stem}|{rows.height}\n"
    prepared = PreparedList(name, rows.height, hashlib.sha256(body).hexdigest(), directory)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file_name, data in zip(prepared.file_names, (content, check.encode(), end.encode()), strict=True):
        path = directory / f"{file_name}.tmp"
        with path.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
    return prepared


def release_list(directory: Path, file_names: tuple[str, ...]) -> None:
    """Give the files of a prepared list their names; harmless for those that have them."""
    for file_name in file_names:
        part = directory / f"{file_name}.tmp"
        if part.exists():
            replace_durably(part, directory / file_name)
    sync_directory(directory)
