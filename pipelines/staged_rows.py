"""Staged files read whole: where they are all that is left of a batch, a footer that counts rows proves none."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.ledger.offerings import Offering
from pipelines.site import Site, cycle_day

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


def rows_trouble(site: Site, current: Offering) -> str:
    """Why the staged rows or rejects of a batch that stands are not what the ledger counts; empty where they are."""
    place = site.staged_paths(current.name, cycle_day(site, current))
    counts = {place.rows: current.loaded, place.rejects: current.rejected}
    lost = site.objects.bring(counts, afresh=True)
    for path, count in counts.items():
        if path in lost:
            return f"expected {count} rows in {site.relative(path)}, found none in the object store"
        if found := trouble(site, path, count):
            return found
    return ""


def count_rows(path: Path) -> int | None:
    """Rows of a staged file that is read whole; None where it is gone or damaged."""
    try:
        return _count(path)
    except (pa.ArrowException, OSError):
        return None


def _count(path: Path) -> int:
    """Rows of a file of which every page was read."""
    count = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_AT_ONCE):
            batch.validate(full=True)
            count += batch.num_rows
    return count
