"""What was left broken or damaged of published states does no harm, and the private database is nobody else's."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from small_states import CUSTOMERS, PAYMENTS, Warehouse, customers, payment


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    made = Warehouse(tmp_path / "warehouse", tmp_path / "bi")
    made.put(PAYMENTS, payment(1), payment(2))
    made.put(CUSTOMERS, *customers("张三", "李四"))
    yield made
    made.connection.close()


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse with a state at hand and a retired one."""
    work = tmp_path_factory.mktemp("busy")
    made = Warehouse(work / "warehouse", work / "bi")
    made.put(PAYMENTS, payment(1), payment(2))
    for _ in range(2):
        made.publish()
    yield made
    made.connection.close()


def broken_off(retired: Path) -> None:
    """What a run leaves that was killed while it made a state."""
    making = retired.with_name(".making")
    shutil.copytree(retired, making)
    os.truncate(making / "current.duckdb", 100_000)
    (making / "private.duckdb.wal").write_bytes(b"half" * 100)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "broken off": broken_off,
    "truncated": lambda retired: os.truncate(retired / "current.duckdb", 100_000),
    "garbage": lambda retired: (retired / "private.duckdb").write_bytes(b"garbage" * 1000),
    "gone": lambda retired: (retired / "private.duckdb").unlink(),
    "a log": lambda retired: (retired / "current.duckdb.wal").write_bytes(b"garbage" * 1000),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_leftovers_and_damaged_retired_states(busy: Warehouse, damage: str) -> None:
    (retired,) = (each for each in (busy.bi / "states").iterdir() if each != (busy.bi / "current").resolve())
    DAMAGES[damage](retired)
    busy.put(PAYMENTS, payment(1), payment(len(damage)))
    state = busy.publish()
    assert busy.differences(state) == []
    assert len([*(busy.bi / "states").iterdir()]) == 2
    assert not [path for path in (busy.bi / "states").rglob("*") if path.name.endswith((".wal", ".making"))]


@contextmanager
def watched(states: Path, seen: set[tuple[str, bool]]) -> Iterator[None]:
    """Notes of every private database that turns up, by its directory: whether anybody but its owner could open it."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.0005):
            for path in states.glob("*"):
                look(path)

    def look(path: Path) -> None:
        try:
            directory = os.open(path, os.O_RDONLY)
        except OSError:
            return  # it has another name by now
        try:
            before, mode, after = (
                stat.S_IMODE(os.stat(name, dir_fd=directory).st_mode) for name in (".", "private.duckdb", ".")
            )
            seen.add((path.name, bool(mode & 0o077 and before & 0o077 and after & 0o077)))
        except FileNotFoundError:
            pass  # not made yet, or thrown away
        finally:
            os.close(directory)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def test_the_private_database_is_its_owners_alone_at_every_moment(warehouse: Warehouse) -> None:
    """From nothing, in a copy, in a retired state, and written anew in one."""
    seen: set[tuple[str, bool]] = set()
    with watched(warehouse.bi / "states", seen):
        for _ in range(3):
            state = warehouse.publish()
            assert stat.S_IMODE((state / "private.duckdb").stat().st_mode) == 0o600
        (retired,) = (each for each in state.parent.iterdir() if each != state)
        (retired / "private.duckdb").write_bytes(b"garbage" * 1000)
        warehouse.publish()
    assert {name for name, _ in seen} > {".making"}
    assert {name for name, is_open in seen if is_open} == set()
