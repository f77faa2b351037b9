"""Locks of a home that one machine works on: the kernel's, on files below it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol
from zlib import crc32

_BATCH_LOCKS = 64  # which one is a batch's follows from its stem, so no lock file is left over


class Locks(Protocol):
    """Locks by names. They end with the process, however that ends, so none is ever left behind."""

    def hold(self, names: Iterable[str], *, wait: bool) -> AbstractContextManager[bool]:
        """Hold all of them, or none where another holder has one: False. Whoever holds one excludes itself too."""

    def names_of(self, stems: Iterable[str]) -> set[str]:
        """The locks of batches."""


class FileLocks:
    """Locks on files of a directory, each named by what it guards."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def hold(self, names: Iterable[str], *, wait: bool) -> Iterator[bool]:
        """See `Locks`. They are taken in one order by all, so that no two wait for each other."""
        with ExitStack() as held:
            has_all = all(held.enter_context(self._hold_one(name, wait)) for name in sorted(names))
            if not has_all:
                held.close()
            yield has_all

    def names_of(self, stems: Iterable[str]) -> set[str]:
        return {f"check-{crc32(stem.encode()) % _BATCH_LOCKS:02d}" for stem in stems}

    @contextmanager
    def _hold_one(self, name: str, wait: bool) -> Iterator[bool]:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._directory / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(descriptor)
