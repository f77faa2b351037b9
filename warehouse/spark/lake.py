"""Core and marts as Parquet in parts, for Spark and whoever else reads them.

`manifest.json` says which parts each table has, as directories below the lake. Parts are never changed: a new version
of the lake writes new ones and then exchanges the manifest, so that readers meet one whole version. Parts of the
version before stay for who has just begun to read it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from pipelines.durable import replace_durably, sync_all, sync_directories, sync_directory
from pipelines.errors import StoreError
from pipelines.faults import fault_point

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MANIFEST = "manifest.json"
SCRATCH = ".work"
SPARK_ROOM = ".spark"  # what Spark itself writes aside, as long as its process lives: not only while a version is made
SOURCE, MONTH = "part_source", "part_month"
Parts = dict[str, str]  # by what a part is of, such as `part_source=110/part_month=202611`: where it stands


@dataclass
class Manifest:
    """One version of a lake: the parts of each table, the batches in core, and a print of what marts were made from.

    `lake_id` tells it from one that was lost and begun anew, whose parts had the same names.
    """

    lake_id: str = field(default_factory=lambda: uuid4().hex)
    version: int = 0
    tables: dict[str, Parts] = field(default_factory=dict)
    batches: dict[str, list[str]] = field(default_factory=dict)  # stem: digest, feed, source, mode, cycle, seq
    snapshots: list[list[str]] = field(default_factory=list)  # whose absences count: feed, source, cycle, end
    built: str = ""


class Lake:
    """A lake in a directory that everybody who works on it can reach."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        if directory.is_symlink() and not directory.exists():
            raise StoreError(
                f"{directory}: expected a directory, found a link to {directory.readlink()}, which is not there; mount "
                "or make that, or set spark: lake in tierline.yaml"
            )
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.now = _read_manifest(directory / MANIFEST)

    @property
    def scratch(self) -> Path:
        return self.directory / SCRATCH

    def begin(self) -> Manifest:
        """The next version, as yet the same as this one. What a run that broke off left goes."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(mode=0o700)
        version = self.now.version + 1
        for unfinished in self.directory.glob(f"*/*/{version:06d}"):
            shutil.rmtree(unfinished)
        tables = {name: dict(parts) for name, parts in self.now.tables.items()}
        return replace(
            self.now, version=version, tables=tables, batches=dict(self.now.batches), snapshots=[*self.now.snapshots]
        )

    def write(self, following: Manifest, table: str, rows: DataFrame, by: Iterable[str]) -> Parts:
        """Write rows as parts of the next version, by these columns of theirs; returns the parts.

        Spark makes no file of a part larger than it handles well, and few that are small.
        """
        place = Path(*table.split(".")) / f"{following.version:06d}"
        columns = list(by)
        if columns:
            rows = rows.hint("rebalance", *columns)
        writer = rows.write.mode("overwrite")
        (writer.partitionBy(*columns) if columns else writer).parquet(str(self.directory / place))
        found = {path.parent.relative_to(self.directory / place) for path in self.files([str(place)])}
        return {str(part): str(place / part) for part in sorted(found)}

    def files(self, parts: Iterable[str]) -> list[Path]:
        """The Parquet files of parts."""
        return sorted(path for part in parts for path in (self.directory / part).rglob("*.parquet"))

    def commit(self, following: Manifest) -> None:
        """Let the next version stand: its parts are on disk before the manifest names them."""
        fault_point("lake")
        known = {part for parts in self.now.tables.values() for part in parts.values()}
        files = self.files(part for parts in following.tables.values() for part in parts.values() if part not in known)
        sync_all(files)
        sync_directories({path.parent for path in files})
        fresh = self.directory / f"{MANIFEST}.new"
        fresh.write_text(json.dumps(vars(following), indent=1))
        replace_durably(fresh, self.directory / MANIFEST)
        sync_directory(self.directory)
        self._clear(self.now, following)
        self.now = following

    def _clear(self, *kept: Manifest) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        named = {part for each in kept for parts in each.tables.values() for part in parts.values()}
        for place in self.directory.glob("[!.]*/*/*"):
            parts = {path.parent for path in place.rglob("*.parquet")}
            for part in parts:
                if str(part.relative_to(self.directory)) not in named:
                    shutil.rmtree(part)
            if not any(place.rglob("*.parquet")):
                shutil.rmtree(place, ignore_errors=True)


def _read_manifest(path: Path) -> Manifest:
    if not path.exists():
        return Manifest()
    try:
        return Manifest(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise StoreError(
            f"{path}: expected the parts of a lake as JSON, found {error}; delete this file and run 'tierline load': "
            "core is made anew from staged rows, which takes long"
        ) from error


def months_of(parts: Mapping[str, str], newest: int) -> list[str]:
    """Where the parts of so many newest months stand."""
    by_month = {part: part.rpartition(f"{MONTH}=")[2] for part in parts}
    months = sorted(set(by_month.values()))[-newest:]
    return sorted(place for part, place in parts.items() if by_month[part] in months)
