"""A server that keeps one directory or file to itself, for a while or for good: all else goes its way."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest
from offers import GOOD, STEM, customers, in_ledger, payments, put_end
from running import Run, make_home, tierline

from pipelines.transfer.base import Endpoint
from sftp_fixtures.servers import sftp_server

HOUR = "PAYM_110_I_2026112210"  # its end file is late
SNAPSHOT = customers("20261121", 5)


@dataclass
class Denied:
    """Ends of paths that a server does not let us list, read, move or make, whatever stands there."""

    lists: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    moves: set[str] = field(default_factory=set)
    directories: set[str] = field(default_factory=set)
    removals: set[str] = field(default_factory=set)

    def server(self) -> type[asyncssh.SFTPServer]:
        denied = self

        class Denying(asyncssh.SFTPServer):
            async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
                _refuse(path, denied.lists, asyncssh.SFTPPermissionDenied)
                async for entry in super().scandir(path):
                    yield entry

            def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
                _refuse(path, denied.reads, asyncssh.SFTPNoSuchFile)  # as some say of a file that another holds
                return super().open(path, pflags, attrs)

            def rename(self, oldpath: bytes, newpath: bytes) -> None:
                _refuse(oldpath, denied.moves, asyncssh.SFTPNoSuchFile)
                super().rename(oldpath, newpath)

            def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
                _refuse(path, denied.directories, asyncssh.SFTPNoSuchFile)
                super().mkdir(path, attrs)

            def remove(self, path: bytes) -> None:
                _refuse(path, denied.removals, asyncssh.SFTPPermissionDenied)
                super().remove(path)

        return Denying


def _refuse(path: bytes, ends: set[str], kind: type[asyncssh.SFTPError]) -> None:
    if path.decode().rstrip("/").endswith(tuple(ends)):
        raise kind("not now")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "remote").mkdir()
    GOOD.put(tmp_path / "remote")
    return tmp_path / "remote"


@pytest.fixture
def denied() -> Denied:
    return Denied()


@pytest.fixture
def endpoint(root: Path, denied: Denied) -> Iterator[Endpoint]:
    with sftp_server(root, files=denied.server()) as endpoint:
        yield endpoint


@pytest.fixture
def home(tmp_path: Path, endpoint: Endpoint) -> Path:
    return make_home(tmp_path / "home", endpoint)


def run(home: Path, *words: str, minute: int = 0) -> Run:
    return tierline(home, *words, now=f"2026-11-22T12:{minute:02}:00")


def batches(home: Path) -> list[tuple[str, str, bool]]:
    """Stem, state, and whether the producer knows."""
    found = in_ledger(home, "select stem, state, acknowledged_at is not null from offering order by offering_id")
    return [(stem, state, bool(is_told)) for stem, state, is_told in found]


def alarms(home: Path) -> list[str]:
    return [subject for (subject,) in in_ledger(home, "select subject from alarm where cleared_at is null")]


def test_a_feed_that_may_not_be_listed_keeps_no_receipt_move_or_request_of_the_others(
    home: Path, root: Path, denied: Denied
) -> None:
    SNAPSHOT.put(root)
    put_end(root, GOOD, payments("PAYM_110_I_2026112210_0002_00", "CARD"))
    run(home, "fetch")
    denied.lists.add("outgoing/CUST")
    ran = run(home, "load", minute=1)
    assert ran.exit_status == 1
    assert "outgoing/CUST" in ran.err
    assert (SNAPSHOT.stem, "loaded", False) in batches(home)
    assert (STEM, "loaded", True) in batches(home)
    assert (root / f"receipt/PAYM/{STEM}.RCP").exists()
    assert (root / f"backup/20261122/PAYM/{STEM}.DAT").exists()
    assert (root / "request/PAYM/PAYM_110_I_2026112210_0002_00.RSD").exists()
    denied.lists.clear()
    assert run(home, "load", minute=2).exit_status == 0
    assert (SNAPSHOT.stem, "loaded", True) in batches(home)


def test_a_backup_that_may_not_be_listed_keeps_nothing_but_its_comparison(
    home: Path, root: Path, denied: Denied
) -> None:
    SNAPSHOT.put(root)
    denied.lists.add("backup/20261121/CUST")
    run(home, "fetch")
    ran = run(home, "load", minute=1)
    assert ran.exit_status == 1
    assert "backup/20261121/CUST" in ran.err
    assert {is_told for _, _, is_told in batches(home)} == {True}
    assert (root / f"receipt/PAYM/{STEM}.RCP").exists()


def test_a_request_that_may_not_be_written_keeps_no_other(home: Path, root: Path, denied: Denied) -> None:
    SNAPSHOT.put(root)
    put_end(root, GOOD, payments("PAYM_110_I_2026112210_0002_00", "CARD"))
    put_end(root, SNAPSHOT, customers("20261121", 5, seq="0002"))
    run(home, "fetch")
    denied.directories.add("request/CUST")
    ran = run(home, "load", minute=1)
    assert ran.exit_status == 1
    assert "request/CUST" in ran.err
    assert (root / "request/PAYM/PAYM_110_I_2026112210_0002_00.RSD").exists()
    denied.directories.clear()
    assert run(home, "load", minute=2).exit_status == 0
    assert (root / "request/CUST/CUST_110_F_20261121_0002_00.RSD").exists()


def test_a_request_that_may_not_be_removed_fails_no_run(home: Path, root: Path, denied: Denied) -> None:
    late = payments("PAYM_110_I_2026112210_0002_00", "CARD")
    put_end(root, GOOD, late)
    run(home, "fetch")
    assert run(home, "load", minute=1).exit_status == 0
    request = root / f"request/PAYM/{late.stem}.RSD"
    assert request.exists()
    denied.removals.add(request.name)
    late.put(root)
    run(home, "fetch", minute=2)
    ran = run(home, "load", minute=3)
    assert (ran.exit_status, ran.err, request.exists()) == (0, "", True)
    denied.removals.clear()
    assert run(home, "load", minute=4).exit_status == 0
    assert not request.exists()


def require_moved_by_the_next_run(home: Path, root: Path) -> None:
    run(home, "fetch", minute=2)
    assert run(home, "load", minute=3).exit_status == 0
    assert batches(home) == [(STEM, "loaded", True)]
    assert (root / f"backup/20261122/PAYM/{STEM}.DAT").exists()
    assert (root / f"backup/20261122/PAYM/{STEM}.CHK").exists()


def test_a_check_file_that_cannot_be_read_for_a_while_is_not_taken_for_gone(
    home: Path, root: Path, denied: Denied
) -> None:
    run(home, "fetch")
    denied.reads.add(f"{STEM}.CHK")
    ran = run(home, "load", minute=1)
    assert ran.exit_status == 1
    assert f"outgoing/PAYM/{STEM}.CHK" in ran.err
    assert batches(home) == [(STEM, "loaded", False)]
    assert alarms(home) == [HOUR]
    denied.reads.clear()
    require_moved_by_the_next_run(home, root)


@pytest.mark.parametrize("ending", ["DAT", "CHK"])
def test_a_file_that_cannot_be_moved_for_a_while_is_not_taken_for_gone(
    home: Path, root: Path, denied: Denied, ending: str
) -> None:
    run(home, "fetch")
    denied.moves.add(f"{STEM}.{ending}")
    ran = run(home, "load", minute=1)
    assert ran.exit_status == 1
    assert f"outgoing/PAYM/{STEM}.{ending}" in ran.err
    assert batches(home) == [(STEM, "loaded", False)]
    assert alarms(home) == [HOUR]
    assert (root / f"outgoing/PAYM/{STEM}.{ending}").exists()
    denied.moves.clear()
    require_moved_by_the_next_run(home, root)
    assert not list((root / "outgoing/PAYM").iterdir())


def test_an_outgoing_that_may_be_entered_but_not_listed_is_told_by_doctor_alone(
    home: Path, root: Path, denied: Denied
) -> None:
    denied.lists.add("outgoing")
    ran = run(home, "fetch")
    assert (ran.exit_status, ran.err) == (0, "")
    assert batches(home) == [(STEM, "verified", False)]
    (warning,) = [each for each in doctor(home) if each["state"] == "warning"]
    assert (warning["what"], "outgoing" in warning["found"]) == ("source 110", True)
    assert "right to list" in warning["to_do"]
    denied.lists.clear()
    assert [each["state"] for each in doctor(home)] == ["ok", "ok"]
    (root / "outgoing/stray").write_text("")
    run(home, "fetch", minute=1)
    assert "stray" in run(home, "batches", "--left", minute=1).out


@pytest.mark.parametrize("name", ["backup", "receipt", "request", "receipt/CUST", "request/PAYM"])
def test_doctor_tries_every_directory_that_we_write_in(home: Path, root: Path, denied: Denied, name: str) -> None:
    denied.directories.add(name)
    (failed,) = [each for each in doctor(home) if each["state"] == "failed"]
    assert (failed["what"], f" {name}" in failed["found"]) == ("source 110", True)
    denied.directories.clear()
    (found,) = [each for each in doctor(home) if each["what"] == "source 110"]
    assert "may write in backup/, receipt/, request/" in found["found"]
    assert not list(root.rglob(".doctor*"))


def doctor(home: Path) -> list[dict[str, str]]:
    """What doctor says of contracts and source."""
    found: list[dict[str, str]] = json.loads(run(home, "doctor", "--json").out)
    return [each for each in found if each["what"] in ("configuration", "source 110")]
