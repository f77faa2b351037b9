"""A request goes from the server once it is of no use: answered, or its cycle complete (file interface, 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import drop_directory
from offers import GOOD, MANY_BAD, STEM, in_ledger, payments, put_end, take
from running import make_home, tierline
from test_watching import asked, requests

from pipelines.transfer.base import Endpoint
from sftp_fixtures.servers import ftp_server, ftps_server
from sftp_fixtures.sshd import sshd_server

DAY = "2026-11-22T"
EMPTY = "PAYM_110_I_2026112211"
Server = Callable[[Path], AbstractContextManager[Endpoint]]


def local(root: Path) -> AbstractContextManager[Endpoint]:
    return drop_directory(root, root)


@pytest.fixture(params=[sshd_server, ftps_server, ftp_server, local], ids=["sftp", "ftps", "ftp", "file"])
def home(request: pytest.FixtureRequest, tmp_path: Path, root: Path) -> Iterator[Path]:
    server: Server = request.param
    with server(root) as endpoint:
        yield make_home(tmp_path / "home", endpoint)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "remote").mkdir()
    return tmp_path / "remote"


def test_requests_go_on_every_kind_of_server(home: Path, root: Path) -> None:
    """One refused and sent again, a gap closed by a newer version, and a cycle that was empty."""
    other = payments(STEM.replace("0001_00", "0002_00"), "CARD")
    replace(GOOD, size_off=1).put(root)
    put_end(root, GOOD, other)
    take(home, f"{DAY}14:30:00")
    assert {stem: code for stem, code, *_ in requests(root).values()} == {
        STEM: "E202", other.stem: "E502", f"{EMPTY}_0001_00": "E502",
    }  # fmt: skip
    GOOD.put(root)
    payments(other.stem[:-2] + "01", "BANK").put(root)
    (root / "outgoing/PAYM" / f"{EMPTY}.END").write_text("0|0|0\n")
    take(home, f"{DAY}14:40:00")
    assert requests(root) == {}
    assert sorted(asked(home)) == sorted([STEM, other.stem, f"{EMPTY}_0001_00"]), "what was asked stays known"
    assert in_ledger(home, "select count(*) from resend_request where removed_at is null") == [(0,)]


@pytest.mark.parametrize("home", [local], indirect=True)
def test_a_request_stays_while_what_came_is_refused(home: Path, root: Path) -> None:
    replace(GOOD, size_off=1).put(root)
    take(home, f"{DAY}11:35:00")
    replace(MANY_BAD, stem=STEM).put(root)
    take(home, f"{DAY}11:40:00")
    assert [code for _, code, *_ in requests(root).values()] == ["E202"]
    ran = tierline(home, "batch", "discard", STEM, "--why", "nothing of it is needed", now=f"{DAY}11:45:00")
    assert (ran.exit_status, requests(root)) == (0, {}), "the operator's word closes the gap"
