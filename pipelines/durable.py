"""Files that survive a loss of power: their bytes on disk before their name, and the name before we go on."""

from __future__ import annotations

import os
from pathlib import Path


def replace_durably(part: Path, path: Path) -> None:
    """Give a finished file its name: on disk before it has it, and the name on disk before we go on."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(part, path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make what was renamed or made in a directory survive a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
