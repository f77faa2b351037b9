"""Keeping bytes: landing → archive or quarantine, on disk before anything on a server is moved (rule 7)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pipelines.checks.staging import sync_directory


def keep(landed: Path, directory: Path) -> Path:
    """Move a landed file into a directory of the archive or the quarantine, read-only and synced to disk.

    Harmless when it was moved before: then nothing has landed and the kept file stands. A kept file is never
    overwritten by other bytes; the same bytes are.
    """
    kept = directory / landed.name
    if not landed.exists() and kept.exists():
        return kept
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    descriptor = os.open(landed, os.O_RDONLY)
    try:
        os.fchmod(descriptor, 0o440)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(landed, kept)
    sync_directory(directory)
    return kept


def write_reason(directory: Path, stem: str, reason: dict[str, Any]) -> None:
    """Say beside quarantined files why they are there, for whoever looks with nothing but a file browser."""
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    path = directory / f"{stem}.reason.json"
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(reason, ensure_ascii=False, indent=2, default=str) + "\n")
    os.replace(part, path)
