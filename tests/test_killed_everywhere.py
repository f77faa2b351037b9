"""Fault 1: killed the first time that a command passes a fault point, the second, … until it passes untouched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import duckdb
import pytest
from offers import NOW, files, ledger, payments, put_end, take
from running import make_home, tierline

from pipelines.transfer.base import Endpoint
from sftp_fixtures.sshd import sshd_server

LARGE = payments("PAYM_110_I_2026112209_0001_00", *["CARD"] * 900)  # more than is taken in one go with others
REFUSED = payments("PAYM_110_I_2026112210_0001_00", *["GIFT"] * 4, "CARD")
# Each command, its fault points, and at how many passings it must at least have been killed.
COMMANDS = {
    "fetch": (("list", "claim", "download", "verify", "archive"), 7),
    "load": (("load", "commit", "backup", "receipt", "judge"), 6),  # check and stage: see test_rules
}
MOST = 30


@pytest.fixture(scope="module")
def sshd() -> Iterator[Endpoint]:
    """OpenSSH's server on the whole machine."""
    with sshd_server(Path("/")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def before(sshd: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose warehouse is there and empty, and a server with two batches."""
    work = tmp_path_factory.mktemp("before")
    (work / "remote").mkdir()
    assert take(home_at(work, sshd)).exit_status == 0
    for offer in (LARGE, REFUSED):
        offer.put(work / "remote")
    put_end(work / "remote", LARGE)
    return work


@pytest.fixture(scope="module")
def undisturbed(before: Path, sshd: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = copy_of(before, tmp_path_factory.mktemp("undisturbed"), sshd)
    assert take(home).exit_status == 3
    found = everything(home)
    assert [state for *_, state, _ in found["ledger"]] == ["loaded", "refused"]
    assert found["core.payment"]
    assert [name for name in found["remote"] if name.endswith(".REJ")]
    return found


def home_at(work: Path, sshd: Endpoint) -> Path:
    return make_home(work / "home", replace(sshd, root=str(work / "remote")))


def copy_of(before: Path, work: Path, sshd: Endpoint) -> Path:
    shutil.copytree(before, work, symlinks=True, dirs_exist_ok=True)
    return home_at(work, sshd)


def everything(home: Path) -> dict[str, Any]:
    """What stands in ledger, core, archive and quarantine, and on the server; how often a batch was staged is left out.

    The time at which a refused file was set aside is part of its name there.
    """
    with duckdb.connect(str(home / "warehouse" / "warehouse.duckdb"), read_only=True) as core:
        found: dict[str, Any] = {name: core.execute(f"from {name} order by all").fetchall()
                                 for name in ("core.payment", "ops.reject")}  # fmt: skip
    found["ledger"] = sorted((each.stem, each.records, each.loaded, each.state, each.code) for each in ledger(home))
    found |= {name: files(home / name) for name in ("archive", "quarantine", "landing")}
    return found | {"remote": files(home.parent / "remote")}


def killed(home: Path, word: str, fault: str) -> None:
    os.environ["TIERLINE_FAULT"] = fault
    tierline(home, word, now=NOW)


@pytest.fixture(scope="module")
def fetched(before: Path, sshd: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As before, but both batches are here and wait for their check."""
    work = tmp_path_factory.mktemp("fetched")
    assert tierline(copy_of(before, work, sshd), "fetch", now=NOW).exit_status == 0
    return work


@pytest.mark.fault(1)
@pytest.mark.parametrize("word", COMMANDS)
def test_killed_at_every_passing_of_every_point(
    before: Path,
    fetched: Path,
    undisturbed: dict[str, Any],
    sshd: Endpoint,
    tmp_path: Path,
    forking: ForkServerContext,
    word: str,
) -> None:
    points, least = COMMANDS[word]
    kills = 0
    for point in points:
        for turn in range(1, MOST):
            home = copy_of(before if word == "fetch" else fetched, tmp_path / f"{point}{turn}", sshd)
            process = forking.Process(target=killed, args=(home, word, f"{point}:{turn}"))
            process.start()
            process.join(600)
            assert process.exitcode in (0, -9)
            if process.exitcode == 0:
                break
            kills += 1
            for again in ("fetch", "load") if word == "fetch" else ("load",):
                assert tierline(home, again, now=NOW).exit_status in (0, 3)
            assert everything(home) == undisturbed, (point, turn)
        assert 1 < turn < MOST - 1, f"{word} passes {point} never, or without end"
    assert kills >= least
