"""A ledger and a warehouse that were put back from a copy: readers get what these say, and miss nothing meanwhile."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from offers import Offer, in_ledger, payments, put_end
from running import make_home, tierline

from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province

NOW = "2026-11-22T12:00:00"
DONE = (0, 3, 4)  # cycles of this little province are missing
RUN = ("run", "--as-of", "2026-11-21")
LATE = payments("PAYM_110_I_2026112210_0001_00", "CARD", "WALLET", "CASH")
FIRST, NEWER, ANEW = "20261121-000001", "20261121-000002", "20261121-000003"
PAYMENTS_OF_LATE = f"select count(*) from core.payment where batch_stem = '{LATE.stem}'"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that has published twice; beside it are its source, and ledger and warehouse of between the two."""
    work = tmp_path_factory.mktemp("made")
    end = datetime.fromisoformat(NOW)
    make_province(work / "remote", subscribers=40, months=2, days=1, hours=1, end=end, seed=11)
    home = make_home(work / "home", Endpoint("file", root=str(work / "remote")))
    bills = list((work / "remote" / "outgoing" / "BILL").glob("BILL_110_I_202610*"))
    assert len(bills) == 3
    for path in bills:
        path.rename(path.with_name(f".{path.name}"))
    assert tierline(home, *RUN, now=NOW).exit_status in DONE
    for path in bills:  # lists of the month are another by them
        path.with_name(f".{path.name}").rename(path)
    shutil.copytree(home / "warehouse", work / "warehouse")
    shutil.copy(home / "ledger.sqlite", work / "ledger.sqlite")
    offer(home, LATE)
    assert tierline(home, *RUN, now=NOW).exit_status in DONE
    assert (shown(home), late_payments(home)) == (NEWER, 3)
    return work


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path, symlinks=True, dirs_exist_ok=True)
    return make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))


def offer(home: Path, *offers: Offer) -> None:
    for each in offers:
        each.put(home.parent / "remote")
        put_end(home.parent / "remote", each)


def put_back(home: Path) -> None:
    shutil.rmtree(home / "warehouse")
    shutil.copytree(home.parent / "warehouse", home / "warehouse")
    shutil.copy(home.parent / "ledger.sqlite", home / "ledger.sqlite")


def shown(home: Path) -> str:
    return (home / "bi" / "current").resolve().name


def late_payments(home: Path) -> int:
    with duckdb.connect(str(home / "bi" / "current.duckdb"), read_only=True) as state:
        ((count,),) = state.execute(PAYMENTS_OF_LATE).fetchall()
    return int(count)


@contextmanager
def polled(path: Path) -> Iterator[list[bool]]:
    """Whether a reader finds the file, asked all the while."""
    found: list[bool] = []
    is_over = threading.Event()

    def poll() -> None:
        while not is_over.is_set():
            found.append(os.path.exists(path))

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield found
    finally:
        is_over.set()
        thread.join()


def test_the_state_of_the_ledger_is_published_anew_under_an_id_of_its_own(home: Path) -> None:
    put_back(home)
    line = of_published_state(home)
    for words in ("warning", NEWER, FIRST, "tierline publish"):
        assert words in line
    ran = tierline(home, "publish", now=NOW)
    assert (ran.exit_status, f"published {ANEW}" in ran.out) == (0, True), ran.out + ran.err
    assert (shown(home), late_payments(home)) == (ANEW, 0)
    assert in_ledger(home, "select publication_id from publication order by 1") == [(FIRST,), (ANEW,)]
    assert f"nothing changed since {ANEW}" in tierline(home, "publish", now=NOW).out
    assert "warning" not in of_published_state(home)


def of_published_state(home: Path) -> str:
    lines = tierline(home, "doctor", now=NOW).out.splitlines()
    return next(line for line in lines if line.startswith("published state"))


def test_lists_that_the_ledger_does_not_know_keep_their_names(home: Path) -> None:
    """Receivers may have them; what is published now is a version above."""
    before = {path.name: path.read_bytes() for path in (home / "publish").rglob("*.DAT")}
    newer = [name.removesuffix("01.DAT") for name in before if name.endswith("_01.DAT")]
    assert newer
    put_back(home)
    assert tierline(home, "publish", now=NOW).exit_status == 0
    for prefix in newer:
        place = home / "publish" / prefix[:4]
        assert (place / f"{prefix}02.DAT").exists()
        assert f"{prefix}02" in (place / f"{prefix[:-6]}.END").read_text()
    assert {name: (home / "publish" / name[:4] / name).read_bytes() for name in before} == before


@pytest.mark.fault(13)
@pytest.mark.parametrize("is_lost", [True, False])
def test_readers_find_a_state_at_every_moment(home: Path, is_lost: bool) -> None:
    """By another ledger, whose publications would have the ids of those at hand: the manual's way to make it anew."""
    root, inode = home.parent / "remote", (home / "bi" / "current.duckdb").stat().st_ino
    put_back(home)
    if is_lost:
        (home / "ledger.sqlite").write_bytes(b"")
    offered = root / "outgoing"
    for path in list((root / "backup").rglob("*.*" if is_lost else f"{LATE.stem[:-8]}*")):
        path.rename(offered / path.name[:4] / path.name)
    with polled(home / "bi" / "current.duckdb") as found:
        ran = tierline(home, *RUN, now=NOW)
    assert ran.exit_status in DONE, ran.err
    assert (len(found) > 1000, found.count(False)) == (True, 0)
    assert (shown(home), late_payments(home)) == (ANEW, 3)
    assert (home / "bi" / "states" / NEWER / "current.duckdb").stat().st_ino == inode, "one that readers may have open"


def test_a_state_that_is_prepared_in_it_and_gone_is_not_shown(home: Path) -> None:
    put_back(home)
    with closing(sqlite3.connect(home / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("update publication set state = 'prepared', published_at = null")
    shutil.rmtree(home / "bi" / "states" / FIRST)
    with polled(home / "bi" / "current.duckdb") as found:
        assert tierline(home, "publish", now=NOW).exit_status == 0
    assert (found.count(False), shown(home), late_payments(home)) == (0, ANEW, 0)


def test_readers_find_it_where_bi_is_a_link_to_another_disk(home: Path, tmp_path: Path) -> None:
    (home / "bi").rename(tmp_path / "disk")
    (home / "bi").symlink_to(tmp_path / "disk")
    shutil.rmtree(home / "bi" / "states" / FIRST)
    offer(home, payments("PAYM_110_I_2026112208_0001_00", "CARD"))
    with polled(home / "bi" / "current.duckdb") as found:
        assert tierline(home, *RUN, now=NOW).exit_status in DONE
    assert (found.count(False), shown(home)) == (0, ANEW)
