"""Files that survive a loss of power: their bytes on disk before their name, and the name before we go on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import StoreError

_AT_ONCE = 8  # disks sync many at once in the time of a few


@contextmanager
def naming_full_disk(what: str) -> Iterator[None]:
    """Say of what there was no room for, which the system's own error does not; raises StoreError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StoreError(f"{what}: {os.strerror(error.errno)}; free some and run again, it goes on") from error


def replace_durably(part: Path, path: Path) -> None:
    """Give a finished file its name: on disk before it has it, and the name on disk before we go on."""
    _sync(part)
    os.replace(part, path)
    sync_directory(path.parent)


def sync_all(paths: Iterable[Path]) -> None:
    """Bring the bytes of files to disk."""
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(_sync, paths))


def sync_directory(directory: Path) -> None:
    """Make what was renamed or made in a directory survive a loss of power."""
    _sync(directory)


def sync_directories(directories: Iterable[Path]) -> None:
    """As `sync_directory`, of several."""
    for directory in directories:
        _sync(directory)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
