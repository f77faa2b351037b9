"""Faults by the real command against real servers: several runs at once, clocks, servers that stall or are others."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from multiprocessing.context import ForkServerContext
from pathlib import Path
from unittest.mock import patch

import asyncssh
import pytest
from running import Run, make_home, published, tierline, tierline_process

from pipelines.config import load_config
from pipelines.ledger import offerings
from pipelines.ledger.store import LedgerStore
from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province
from sftp_fixtures.proxy import Trouble, proxy
from sftp_fixtures.sshd import sshd_server

NOW = "2026-11-22T12:00:00"
AS_OF = ("--as-of", "2026-11-21")


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Endpoint, Path]]:
    """OpenSSH's server on the whole machine, and its log."""
    log = tmp_path_factory.mktemp("sshd") / "log"
    with sshd_server(Path("/"), log) as endpoint:
        yield endpoint, log


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("offered")
    end = datetime.fromisoformat(NOW)
    make_province(root, subscribers=80, months=1, days=1, hours=2, end=end, seed=11)
    return root


@pytest.fixture(scope="module")
def undisturbed(
    offered: Path, sshd: tuple[Endpoint, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[tuple[object, ...]]]:
    work = tmp_path_factory.mktemp("undisturbed")
    home = _home(work, offered, sshd[0])
    assert tierline(home, "run", *AS_OF, now=NOW).exit_status in (0, 3)
    state = published(home)
    assert state["core.subscriber"], "an empty warehouse would prove nothing"
    return state


def _home(work: Path, offered: Path, endpoint: Endpoint, extra: str = "") -> Path:
    shutil.copytree(offered, work / "remote")
    return make_home(work / "home", replace(endpoint, root=str(work / "remote")), extra=extra)


def _events(home: Path) -> dict[str, list[str]]:
    """The states that each stem went through, over all its offerings."""
    ledger = LedgerStore(load_config(home).ledger_url(home))
    with ledger.reading() as connection:
        found = {each.offering_id: each.stem for each in offerings.find(connection)}
        events = offerings.history(connection, found)
    ledger.close()
    states: dict[str, list[str]] = {}
    for event in events:
        states.setdefault(found[event["offering_id"]], []).append(event["state"])
    return states


def _run(home: Path) -> Run:
    return tierline(home, "run", *AS_OF, now=NOW)


@pytest.mark.fault(14)
def test_three_runs_at_once_load_each_batch_once(
    offered: Path,
    sshd: tuple[Endpoint, Path],
    undisturbed: dict[str, list[tuple[object, ...]]],
    tmp_path: Path,
    forking: ForkServerContext,
) -> None:
    """Fault 14: ten times; whoever comes second says so and goes on. (With an Airflow task: in test_dags.)"""
    home = _home(tmp_path, offered, sshd[0])
    remote, later = tmp_path / "remote", tmp_path / "later"
    (remote / "outgoing").rename(later)
    stems = sorted(path.name.partition(".")[0] for path in later.rglob("*.CHK"))
    said = 0
    with forking.Pool(3) as processes:
        for number in range(10):
            for stem in stems[number::10]:
                _offer(later, remote / "outgoing", stem)
            runs = processes.map(_run, [home] * 3, chunksize=1)
            # 4: looked at the cycles before the winner was done
            assert [run.out + run.err for run in runs if run.exit_status not in (0, 3, 4)] == []
            said += sum("another process" in run.out for run in runs)
    for path in later.rglob("*.END"):  # of cycles without a batch
        path.rename(remote / "outgoing" / path.parent.name / path.name)
    assert _run(home).exit_status in (0, 3)
    assert published(home) == undisturbed
    events = _events(home)
    assert sorted(events) == stems
    for stem, states in events.items():
        assert sorted(states) == ["announced", "fetched", "loaded", "staged", "verified"], stem
    receipts = list((remote / "receipt").rglob("*.RCP"))
    assert len(receipts) == len(events)
    assert said, "no run met another: nothing was tried"


def _offer(later: Path, outgoing: Path, stem: str) -> None:
    """Put a batch, and the end file of its cycle, where the producer puts them."""
    directory = outgoing / stem[:4]
    directory.mkdir(parents=True, exist_ok=True)
    end = later / stem[:4] / f"{stem.rsplit('_', 2)[0]}.END"
    for path in [*sorted((later / stem[:4]).glob(f"{stem}.*")), end]:
        path.rename(directory / path.name)


@pytest.mark.fault(1)
@pytest.mark.parametrize("fault", ["load", "commit"])
def test_ledger_and_warehouse_agree_again_after_a_kill_between_them(
    offered: Path, sshd: tuple[Endpoint, Path], undisturbed: dict[str, list[tuple[object, ...]]], tmp_path: Path,
    fault: str,
) -> None:  # fmt: skip
    """Before the commit nothing is loaded on either side; after it the ledger follows with the next load."""
    home = _home(tmp_path, offered, sshd[0])
    assert tierline(home, "fetch", now=NOW).exit_status == 0
    assert tierline_process(home, "load", now=NOW, fault=fault).returncode == -9
    assert {states[-1] for states in _events(home).values()} == {"staged"}
    loaded = tierline(home, "load", now=NOW)
    assert f"load: {0 if fault == 'commit' else len(_events(home))} batches into core" in loaded.out
    assert {states[-1] for states in _events(home).values()} == {"loaded"}
    tierline(home, "run", *AS_OF, now=NOW)
    assert published(home) == undisturbed


def test_a_lost_warehouse_comes_back_from_what_is_staged(
    offered: Path, sshd: tuple[Endpoint, Path], undisturbed: dict[str, list[tuple[object, ...]]], tmp_path: Path
) -> None:
    """The ledger says what stands, the warehouse what it holds: whatever it lost, a load makes good."""
    home = _home(tmp_path, offered, sshd[0])
    tierline(home, "run", *AS_OF, now=NOW)
    (home / "warehouse" / "warehouse.duckdb").unlink()
    tierline(home, "run", *AS_OF, now=NOW)
    assert published(home) == undisturbed


@pytest.mark.fault(15)
def test_clocks_of_others_and_one_that_steps_back(
    offered: Path, sshd: tuple[Endpoint, Path], undisturbed: dict[str, list[tuple[object, ...]]], tmp_path: Path,
) -> None:  # fmt: skip
    """Fault 15: files that are two hours old or to come, a process in another zone, a clock set back by two hours."""
    home = _home(tmp_path, offered, sshd[0])
    for number, path in enumerate(sorted((tmp_path / "remote").rglob("*.*"))):
        moment = datetime.fromisoformat(NOW).timestamp() + (7200 if number % 2 else -7200)
        os.utime(path, (moment, moment))
    with patch.dict(os.environ, {"TZ": "Australia/Lord_Howe"}):
        time.tzset()
        try:
            for now in (NOW, "2026-11-22T10:00:00", NOW):
                ran = tierline(home, "run", *AS_OF, now=now)
                assert ran.exit_status in (0, 3), ran.err
        finally:
            os.environ.pop("TZ")
            time.tzset()
    assert published(home) == undisturbed
    assert all(sorted(states)[0] == "announced" and len(states) == 5 for states in _events(home).values())


@pytest.mark.fault(3)
def test_a_source_that_stalls_ends_in_time_and_keeps_no_other(
    offered: Path, sshd: tuple[Endpoint, Path], tmp_path: Path
) -> None:
    """Fault 3: the stalled one is named with exit status 1; the other's batches are taken meanwhile."""
    endpoint = sshd[0]
    shutil.copytree(offered, tmp_path / "110")
    end = datetime.fromisoformat(NOW)
    make_province(tmp_path / "440", source="440", subscribers=80, months=1, days=1, hours=2, end=end, seed=11)
    home = make_home(tmp_path / "home", replace(endpoint, root=str(tmp_path / "110")))
    with proxy(replace(endpoint, root=str(tmp_path / "440"))) as between:
        stalled = between.endpoint
        text = (home / "tierline.yaml").read_text()
        (home / "tierline.yaml").write_text(
            text + f'  "440":\n    url: sftp://{stalled.user}@{stalled.host}:{stalled.port}{stalled.root}\n'
            f"    key_file: {stalled.key_file}\n    host_key: {stalled.host_key}\n    idle_timeout: 1\n"
            "    feeds: [PAYM, BILL]\n"
        )
        between.arm(8_000, Trouble.STALL)
        began = time.monotonic()
        ran = tierline(home, "fetch", now=NOW)
        took = time.monotonic() - began
    assert ran.exit_status == 1
    assert "source 440: sftp://" in ran.err
    assert "within the idle timeout" in ran.err
    assert took < 20
    taken = [stem for stem, states in _events(home).items() if states[-1] == "verified" and "_110_" in stem]
    assert len(taken) == len(list((tmp_path / "110" / "outgoing").rglob("*.DAT")))


@pytest.mark.fault(16)
def test_a_changed_host_key_stops_before_anything_is_sent(
    offered: Path, sshd: tuple[Endpoint, Path], tmp_path: Path
) -> None:
    """Fault 16: the server is not the one agreed; nothing is moved, nobody logs in."""
    endpoint, log = sshd
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    home = _home(tmp_path, offered, replace(endpoint, host_key=other))
    before = log.read_text().count("Accepted publickey")
    ran = tierline(home, "fetch", now=NOW)
    assert ran.exit_status == 1
    assert "source 110" in ran.err
    assert "host key" in ran.err
    assert log.read_text().count("Accepted publickey") == before
    assert not (tmp_path / "remote" / "backup").exists()
