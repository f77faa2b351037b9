"""A move in a drop directory beside a producer that goes on writing: no bytes are lost, whenever it comes between."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from offers import files

from pipelines.transfer.base import Endpoint, RemoteMissingError, TargetExistsError
from pipelines.transfer.connect import connect

OLD, NEW = "outgoing/a.DAT", "backup/a.DAT"
_before: list[Callable[[str], None]] = []  # what the test does before each step


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _before and event in ("os.link", "os.rename", "os.remove"):
        step = _before.pop()  # what it does itself is no step
        try:
            step(str(arguments[0]))
        finally:
            _before.append(step)


sys.addaudithook(_watch)  # Python tells of each of these calls before it makes it


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "outgoing").mkdir()
    (tmp_path / OLD).write_bytes(b"first")
    yield tmp_path
    _before.clear()


def move(root: Path) -> None:
    with connect(Endpoint("file", root=str(root))) as transport:
        transport.rename(OLD, NEW)


def steps_of_a_move(root: Path, back: Callable[[Path, Path], object] = os.rename) -> int:
    """How many links, renames and removals a move is made of."""
    seen: list[str] = []
    _before.append(seen.append)
    move(root)
    _before.clear()
    back(root / NEW, root / OLD)
    return len(seen)


def move_killed_at(killed: int, root: Path) -> None:
    step = 0

    def kill(path: str) -> None:
        nonlocal step
        if step == killed:
            raise KeyboardInterrupt
        step += 1

    _before.append(kill)
    with pytest.raises(KeyboardInterrupt):
        move(root)
    _before.clear()


@pytest.mark.fault(14)
def test_what_a_producer_renames_over_the_file_meanwhile_is_kept(root: Path) -> None:
    count = steps_of_a_move(root)
    assert count >= 1
    for moments in [{first, second} for first in range(count) for second in range(first, count)]:
        written, step = [b"first"], 0

        def produce(path: str, moments: set[int] = moments, written: list[bytes] = written) -> None:
            nonlocal step
            if step in moments:
                written.append(f"as of step {step}".encode())
                (root / "outgoing/a.tmp").write_bytes(written[-1])
                os.replace(root / "outgoing/a.tmp", root / OLD)
            step += 1

        _before.append(produce)
        move(root)
        _before.clear()
        overwritten = {b"first"} if 0 in moments else set()  # by the producer itself
        assert set(files(root).values()) == set(written) - overwritten, moments
        for path in files(root):
            (root / path).unlink()
        (root / OLD).write_bytes(b"first")


def test_a_move_that_is_killed_while_the_producer_comes_between_loses_no_bytes(root: Path) -> None:
    step = 0

    def produce_and_kill(path: str) -> None:
        nonlocal step
        step += 1
        if step == 2:
            (root / OLD).unlink()
            (root / OLD).write_bytes(b"second")
        elif step == 3:
            raise KeyboardInterrupt

    _before.append(produce_and_kill)
    with pytest.raises(KeyboardInterrupt):
        move(root)
    _before.clear()
    assert (root / NEW).read_bytes() == b"first"
    assert set(files(root).values()) == {b"first", b"second"}


@pytest.mark.fault(1)
def test_a_move_that_is_killed_at_any_step_is_found_again(root: Path) -> None:
    for killed in range(steps_of_a_move(root)):
        move_killed_at(killed, root)
        assert (root / NEW).exists() or (root / OLD).exists(), "at a name that is looked at"
        with suppress(RemoteMissingError):
            move(root)
        assert (root / NEW).read_bytes() == b"first"
        assert not (root / OLD).exists()
        assert set(files(root).values()) == {b"first"}
        (root / NEW).rename(root / OLD)


@pytest.fixture
def far_root(root: Path) -> Iterator[Path]:
    """A root whose backup/ is on another volume."""
    places = (place for place in ("/dev/shm", "/tmp", Path.home()) if os.stat(place).st_dev != os.stat(root).st_dev)
    with TemporaryDirectory(dir=next(places)) as far:
        (root / "backup").symlink_to(far)
        yield root
        _before.clear()


def held(root: Path) -> dict[str, bytes]:
    """What stands in outgoing/ and backup/."""
    found = [each for directory in ("outgoing", "backup") for each in (root / directory).iterdir()]
    return {f"{each.parent.name}/{each.name}": each.read_bytes() for each in found}


def test_a_backup_on_another_volume_is_moved_to(far_root: Path) -> None:
    move(far_root)
    assert held(far_root) == {NEW: b"first"}
    (far_root / OLD).write_bytes(b"first")
    with pytest.raises(TargetExistsError):
        move(far_root)
    assert held(far_root) == {OLD: b"first", NEW: b"first"}, "the same bytes come again are another offering"


@pytest.mark.fault(1)
def test_a_move_to_another_volume_that_is_killed_at_any_step_is_found_again(far_root: Path) -> None:
    count = steps_of_a_move(far_root, back=shutil.move)
    assert count > 2
    for killed in range(count):
        move_killed_at(killed, far_root)
        assert b"first" in held(far_root).values()
        assert (far_root / NEW).exists() or (far_root / OLD).exists(), "at a name that is looked at"
        with suppress(RemoteMissingError):
            move(far_root)
        assert (far_root / NEW).read_bytes() == b"first"
        assert not (far_root / OLD).exists()
        for path in held(far_root):
            (far_root / path).unlink()
        (far_root / OLD).write_bytes(b"first")


@pytest.mark.fault(14)
def test_what_a_producer_puts_there_while_it_is_moved_to_another_volume_is_kept(far_root: Path) -> None:
    count = steps_of_a_move(far_root, back=shutil.move)
    for moment in range(2, count):  # before it is copied, the producer itself overwrites the first
        step = 0

        def produce(path: str, moment: int = moment) -> None:
            nonlocal step
            if step == moment:
                (far_root / "outgoing/a.tmp").write_bytes(b"second")
                os.replace(far_root / "outgoing/a.tmp", far_root / OLD)
            step += 1

        _before.append(produce)
        move(far_root)
        _before.clear()
        assert set(held(far_root).values()) == {b"first", b"second"}, moment
        for path in held(far_root):
            (far_root / path).unlink()
        (far_root / OLD).write_bytes(b"first")
