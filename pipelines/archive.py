"""Keeping bytes: landing → archive or quarantine, on disk before anything on a server is moved (rule 7)."""

from __future__ import annotations

import filecmp
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipelines.durable import naming_full_disk, replace_durably, sync_all, sync_directories
from pipelines.errors import StoreError
from pipelines.names import parse_data_name


def keep(landed: Path, directory: Path) -> Path:
    """Move a landed file into a directory of the archive or the quarantine; see `keep_all`."""
    keep_all([(landed, directory)])
    return directory / landed.name


def stands_in_the_way(landed: Path, directory: Path) -> bool:
    """Whether other bytes are kept under the name of a landed file already."""
    kept = directory / landed.name
    return landed.exists() and kept.exists() and not filecmp.cmp(landed, kept, shallow=False)


def keep_all(files: Iterable[tuple[Path, Path]]) -> None:
    """Move landed files into directories of the archive or the quarantine, read-only and synced to disk.

    Harmless for one that was moved before: then nothing has landed and the kept file stands. A kept file is never
    overwritten by other bytes: StoreError. All are synced before the first is moved, which is faster for many.
    """
    moving = [(landed, directory) for landed, directory in files if _is_to_move(landed, directory / landed.name)]
    for directory in {directory for _, directory in moving}:
        with naming_full_disk(str(directory)):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for landed, _ in moving:
        landed.chmod(0o400)
    sync_all(landed for landed, _ in moving)
    for landed, directory in moving:
        with naming_full_disk(str(directory / landed.name)):
            os.replace(landed, directory / landed.name)
    sync_directories({directory for _, directory in moving})


def _is_to_move(landed: Path, kept: Path) -> bool:
    if not kept.exists():
        return True
    if not landed.exists():
        return False
    if stands_in_the_way(landed, kept.parent):
        raise StoreError(f"{kept}: expected the same bytes as in {landed}, found others; neither was touched")
    return True


def kept_stems(archive: Path) -> set[str]:
    """The stems of the batches whose data files lie in the archive."""
    files = (file for _, _, names in os.walk(archive) for file in names)
    return {name.stem for file in files if (name := parse_data_name(file))}


def reason_path(directory: Path, stem: str) -> Path:
    """Where it is said why files of a stem are in quarantine."""
    return directory / f"{stem}.reason.json"


def write_reason(directory: Path, stem: str, reason: dict[str, Any]) -> None:
    """Say beside quarantined files why they are there, for whoever looks with nothing but a file browser."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = reason_path(directory, stem)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(reason, ensure_ascii=False, indent=2, default=str) + "\n")
    replace_durably(part, path)
