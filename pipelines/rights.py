"""Who may read what of a home: its owner alone; what is published for BI tools their group too, and nobody else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_OWNER_ALONE = 0o077  # as a mask
_READABLE, _PASSABLE = 0o640, 0o750


def keep_to_owner() -> None:
    """Let all that this process makes from now on be its owner's alone, whatever the environment says.

    The databases and libraries that write most of a home ask the process's mask and nothing else.
    """
    os.umask(_OWNER_ALONE)


def share(*paths: Path) -> None:
    """Let the group read files and pass directories that we made to be read by others; never write."""
    for path in paths:
        hands_on = path.stat().st_mode & stat.S_ISGID  # a directory that hands its group on still does
        with suppress(PermissionError):  # a mount without rights of its own (FAT, CIFS) says itself who reads there
            path.chmod(_PASSABLE | hands_on if path.is_dir() else _READABLE)


def make_shared(directory: Path) -> None:
    """Make a directory, and those above it that are missing, for owner and group."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        with suppress(FileExistsError):  # another process made it meanwhile
            each.mkdir()
            share(each)


def too_open(paths: Iterable[Path]) -> list[Path]:
    """Those that anybody but their owner may read, write or pass."""
    return [path for path in paths if path.exists() and path.stat().st_mode & _OWNER_ALONE]
