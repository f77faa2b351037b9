"""Killed while a published state is brought on, in a former one's files or in a copy: the next run makes it whole."""

from __future__ import annotations

import os
import shutil
import signal
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from offers import NOW, take
from random_life import MOMENTS, Batch, Row
from running import make_home, published, tierline

from pipelines.transfer.base import Endpoint

RUN = ("run", "--as-of", "2026-11-20")
ROWS = tuple(Row(key, MOMENTS[0]) for key in "123")
OTHERS = (Row("1", MOMENTS[0], letter="B"), Row("2", MOMENTS[1], letter="B", kind="2"))
BATCHES = [
    Batch("USER", "110", "I", "20261118", "0001", "00", ROWS),
    Batch("PAYM", "110", "I", "2026112209", "0001", "00", ROWS),
    Batch("CHNG", "110", "I", "2026112209", "0001", "00", (Row("1", MOMENTS[1], kind="03"),)),
]
NEXT = [
    Batch("USER", "110", "I", "20261118", "0001", "01", OTHERS),
    Batch("PAYM", "110", "I", "2026112209", "0001", "01", OTHERS),
    Batch("PAYM", "110", "I", "2026112210", "0001", "00", ROWS),
    Batch("CHNG", "110", "I", "2026112210", "0001", "00", (Row("2", MOMENTS[2], letter="B", kind="10"),)),
]
HALF_WAY = "half-way"
DONE = (0, 4)  # 4: cycles of this little province are missing


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that has published twice, and batches that wait: they take rows out, bring others in, and turn some."""
    work = tmp_path_factory.mktemp("twice")
    (work / "remote").mkdir()
    home = make_home(work / "home", Endpoint("file", root=str(work / "remote")))
    for batches in (BATCHES[:2], BATCHES[2:]):
        for batch in batches:
            batch.offer().put(work / "remote")
        assert tierline(home, *RUN, now=NOW).exit_status in DONE
    for batch in NEXT:
        batch.offer().put(work / "remote")
    take(home)
    return work


@pytest.fixture(scope="module")
def undisturbed(twice: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[object, ...]]]:
    home = _copy(twice, tmp_path_factory.mktemp("undisturbed"))
    before = published(home)
    assert tierline(home, *RUN, now=NOW).exit_status in DONE
    state = published(home)
    assert {name for name in ("core.payment", "core.subscriber", "mart.tier") if state[name] == before[name]} == set()
    assert {current for *_, current in state["core.subscriber"]} == {True, False}
    return state


def _copy(twice: Path, work: Path) -> Path:
    shutil.copytree(twice, work, symlinks=True, dirs_exist_ok=True)
    return make_home(work / "home", Endpoint("file", root=str(work / "remote")))


def _run(home: Path, fault: str) -> None:
    os.environ["TIERLINE_FAULT"] = fault
    tierline(home, *RUN, now=NOW)


def _kill(forking: ForkServerContext, home: Path, point: str) -> None:
    process = forking.Process(target=_run, args=(home, point))
    process.start()
    if point == HALF_WAY:
        making, deadline = home / "bi" / "states" / ".making", time.monotonic() + 60
        while not making.exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        assert making.exists(), "the state was finished before"
    process.join(600)
    assert process.exitcode == -9, f"passed {point}"


def _numbers(directory: Path) -> set[int]:
    """What tells files from copies of them."""
    return {path.stat().st_ino for path in directory.glob("*.duckdb")}


@pytest.fixture
def home(twice: Path, tmp_path: Path) -> Path:
    return _copy(twice, tmp_path)


@pytest.mark.fault(1)
def test_killed_in_the_files_of_a_former_state(
    home: Path, undisturbed: dict[str, list[tuple[object, ...]]], forking: ForkServerContext
) -> None:
    states, before = home / "bi" / "states", published(home)
    at_hand = (home / "bi" / "current").resolve()
    (former,) = set(states.iterdir()) - {at_hand}
    numbers = _numbers(former)
    _kill(forking, home, "publish")
    (made,) = set(states.iterdir()) - {at_hand}
    assert _numbers(made) == numbers, "not made in the files of the former state"
    assert published(home) == before
    assert tierline(home, *RUN, now=NOW).exit_status in DONE
    assert published(home) == undisturbed


@pytest.mark.fault(1)
def test_killed_time_and_again(
    home: Path, undisturbed: dict[str, list[tuple[object, ...]]], forking: ForkServerContext
) -> None:
    """Half-way, the files of the former state are lost, so the next is made in a copy; a copy that was made is used."""
    states, before = home / "bi" / "states", published(home)
    at_hand = (home / "bi" / "current").resolve()
    for point in ("build", HALF_WAY, "publish"):
        _kill(forking, home, point)
        assert published(home) == before, point
    (made,) = set(states.iterdir()) - {at_hand}
    numbers = _numbers(made)
    assert not numbers & _numbers(at_hand)
    _kill(forking, home, "release")
    assert _numbers((home / "bi" / "current").resolve()) == numbers, "the copy was not brought on"
    assert published(home) == undisturbed
    assert tierline(home, *RUN, now=NOW).exit_status in DONE
    assert published(home) == undisturbed
    assert not (states / ".making").exists()
    assert not list((home / "publish").rglob("*.tmp"))
    assert {path.name[:11] for path in (home / "publish").rglob("*.END")} >= {"TIER_110_F_", "TIER_110_I_"}
