"""Staged files read whole: where they are all that is left of a batch, a footer that counts rows proves none."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.site import Site

_AT_ONCE = 1 << 16


def trouble(site: Site, path: Path, expected: int | None) -> str:
    """Why a file of staged rows or rejects is not what the ledger counts, in rows; empty where it is."""
    try:
        found = str(_count(path))
    except FileNotFoundError:
        found = "no such file"
    except (pa.ArrowException, OSError):
        found = "a damaged file"
    return "" if found == str(expected) else f"expected {expected} rows in {site.relative(path)}, found {found}"


def _count(path: Path) -> int:
    """Rows of a file of which every page was read."""
    count = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_AT_ONCE):
            batch.validate(full=True)
            count += batch.num_rows
    return count
