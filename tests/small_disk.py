"""A really small disk for a test: a tmpfs of which the size is set while it is in use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_ROOMY_KB = 1 << 20
_look = os.statvfs  # as it is, whatever a test makes steps believe


class SmallDisk:
    """A disk of its own, mounted at `place`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        _mount(f"size={_ROOMY_KB}k,mode=750", place)

    def leave(self, kb: int) -> None:
        """Let so much be free from now on."""
        found = _look(self.place)
        used_kb = (found.f_blocks - found.f_bfree) * found.f_frsize >> 10
        self._resize(used_kb + kb)

    def clear(self) -> None:
        """Let there be plenty of room again."""
        self._resize(_ROOMY_KB)

    def _resize(self, kb: int) -> None:
        _mount(f"remount,size={max(kb, 4)}k", self.place)  # 0 would mean no limit


def _mount(options: str, place: Path) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tierline-test", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(
            f"{done.stderr.strip()}\nThis test needs a small disk of its own: run it as root (CI does), or as "
            "'unshare -rm .venv/bin/python -m pytest -n 0 tests/test_disk_full.py'"
        )


@contextmanager
def small_disk(place: Path) -> Iterator[SmallDisk]:
    place.mkdir(exist_ok=True)
    disk = SmallDisk(place)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill_after_look(disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else fills the disk right after a step has looked whether there is room: it saw what is free now."""
    seen = _look(disk.place)
    monkeypatch.setattr(os, "statvfs", lambda _: seen)
