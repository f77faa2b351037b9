"""After `backups prune` of both sides the staged rows are all there is of a batch: what comes back, what is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from offers import STEM, in_core, in_ledger, payments, put_end, receipt, states, take
from running import Run, make_home, tierline

from pipelines.transfer.base import Endpoint

OLD = "2027-03-01T12:00:00"  # hourly feeds are kept for 90 days
SECOND = payments(f"{STEM[:-2]}01", "BANK")
FIRST = payments(STEM, "CARD", "CASH", "GIFT")  # GIFT: a row that is rejected


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "remote").mkdir()
    return tmp_path / "remote"


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    return make_home(tmp_path / "home", Endpoint("file", root=str(root)), extra="    since: 2027-03-01\n")


def prune(home: Path, *words: str) -> Run:
    return tierline(home, "backups", "prune", "--delete", *words, now=OLD)


def prune_both(home: Path) -> None:
    for words in ((), ("--archive",)):
        assert prune(home, *words).exit_status == 0
    assert not list((home / "archive").rglob("*.DAT"))


def staged(home: Path, ending: str = "") -> Path:
    (path,) = (home / "staged").rglob(f"{STEM}{ending}.parquet")
    return path


def discard(home: Path, stem: str = SECOND.stem) -> Run:
    return tierline(home, "batch", "discard", stem, "--why", "sent by mistake", now=OLD)


def test_the_version_below_comes_back_from_its_staged_rows(home: Path, root: Path) -> None:
    """Its rejects too."""
    for offer in (FIRST, SECOND):
        offer.put(root)
        take(home)
    prune_both(home)
    ran = discard(home)
    assert f"{STEM}: comes back" in ran.out
    assert ran.exit_status == 3, "some of its rows are rejected"
    assert sorted(states(home)) == [("0001_00", "loaded", None), ("0001_01", "discarded", None)]
    assert in_core(home, "select count(*) from core.payment") == [(2,)]
    assert receipt(root, STEM)[1:6] == ["PARTIAL", "3", "2", "1", ""]


@pytest.mark.parametrize("ending", ["", ".rejects"])
def test_one_whose_staged_rows_are_lost_does_not_come_back_and_says_so(home: Path, root: Path, ending: str) -> None:
    for offer in (FIRST, SECOND):
        offer.put(root)
        take(home)
    prune_both(home)
    staged(home, ending).unlink()
    ran = discard(home)
    assert ran.exit_status == 1
    assert f"{STEM}: it cannot come back: its bytes were deleted after the retention" in ran.err
    assert f"batch discard {STEM}' and ask the producer" in ran.err
    assert discard(home, STEM).exit_status == 0
    FIRST.put(root)
    take(home, OLD)
    assert in_core(home, "select count(*) from core.payment") == [(2,)], "the producer sent it again"


def test_an_audit_reads_the_rows_that_are_all_there_is(home: Path, root: Path) -> None:
    FIRST.put(root)
    take(home)
    prune_both(home)
    assert tierline(home, "backups", "verify", now=OLD).exit_status == 0
    ran = tierline(home, "backups", "restore", STEM, now=OLD)
    assert (ran.exit_status, "of 1 the copy here was deleted after the retention" in ran.out) == (0, True)
    rows, place = staged(home).read_bytes(), staged(home)
    place.unlink()
    ran = tierline(home, "backups", "verify", now=OLD)
    assert ran.exit_status == 1
    assert "expected 2 rows in staged/PAYM/2026/11/22/" in ran.err
    assert ran.err.count(f"E206 {STEM}") == 1
    ran = tierline(home, "backups", "restore", STEM, now=OLD)
    assert (ran.exit_status, "cannot be mended: its bytes were deleted after the retention" in ran.err) == (1, True)
    place.write_bytes(rows)
    assert tierline(home, "backups", "verify", now=OLD).exit_status == 0
    assert in_ledger(home, "select subject from alarm where kind = 'E206' and cleared_at is null") == []


def test_what_the_server_still_has_is_restored_and_replayed(home: Path, root: Path) -> None:
    FIRST.put(root)
    take(home)
    assert prune(home, "--archive").exit_status == 0
    staged(home).unlink()
    ran = tierline(home, "backups", "restore", STEM, now=OLD)
    assert ran.exit_status == 0, ran.err
    ran = tierline(home, "replay", "--feed", "PAYM", "--from", "2026112210", "--to", "2026112210", now=OLD)
    assert (ran.exit_status, staged(home).exists()) == (3, True)
    assert tierline(home, "backups", "verify", now=OLD).exit_status == 0


def test_what_replay_and_show_say_of_it(home: Path, root: Path) -> None:
    FIRST.put(root)
    take(home)
    prune_both(home)
    ran = tierline(home, "replay", "--feed", "PAYM", "--from", "2026112210", "--to", "2026112210", now=OLD)
    assert ran.exit_status == 1
    assert f"{STEM}: its bytes were deleted after the retention, at 2027-03-01 12:00" in ran.err
    assert "restore" not in ran.err
    (story,) = json.loads(tierline(home, "batch", "show", STEM, "--json", now=OLD).out)
    assert {story["kept in"], story["on the server"]} == {"deleted after the retention, 2027-03-01 12:00:00"}


def test_what_would_go_is_named_each_with_its_place(home: Path, root: Path) -> None:
    FIRST.put(root)
    take(home)
    put_end(root, FIRST)
    said = tierline(home, "backups", "prune", now=OLD).out
    assert "1 of 1 copies on its server" in said
    assert f"{STEM}: backup/20261122/PAYM/{STEM}.DAT on the server" in said
    assert prune(home).out.count(f"{STEM}: deleted backup/20261122/PAYM/{STEM}.DAT") == 1
    said = tierline(home, "backups", "prune", "--archive", now=OLD).out
    assert f"{STEM}: archive/PAYM/2026/11/22/{STEM}.DAT" in said
    assert "of 1 it is the last copy of the bytes" in said
    assert list((home / "archive").rglob("*.DAT"))
