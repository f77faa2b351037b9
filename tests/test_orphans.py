"""What a broken run, an operator or a producer left behind keeps no other batch, and no bytes of it are lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from offers import (
    GIFTS,
    MANY_BAD,
    NOW,
    STEM,
    Offer,
    change_schema,
    customers,
    files,
    in_core,
    in_ledger,
    ledger,
    payments,
    receipt,
    states,
    take,
)
from running import Run, make_home, tierline, tierline_process

from pipelines.transfer.base import Endpoint

DAY = "PAYM/2026/11/22"
BACKUP = "backup/20261122/PAYM"
CYCLE = "PAYM_110_I_2026112210"
FIRST = payments(STEM, "CARD", "CASH", "WALLET")
SECOND = payments(f"{CYCLE}_0001_01", "BANK", "CARD")
OTHER = payments(STEM, "BANK", "BANK")
BEFORE = payments("PAYM_110_I_2026112209_0001_00", "CARD")
EARLIER = payments("PAYM_110_I_2026112208_0001_00", "CASH")
EARLY = "2026-11-22T10:30:00"  # the cycle of STEM is not over: E105
OLD = "2027-05-01T12:00:00"  # hourly feeds are kept for 90 days


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    root.mkdir()
    return make_home(tmp_path / "home", Endpoint("file", root=str(root)))


def batch(home: Path, word: str, *words: str, now: str = NOW) -> Run:
    return tierline(home, "batch", word, STEM, "--why", "ticket 4711", *words, now=now)


def open_alarms(home: Path, kind: str) -> list[str]:
    found = in_ledger(home, f"select subject from alarm where kind = '{kind}' and cleared_at is null order by 1")
    return [subject for (subject,) in found]


def all_kept(home: Path) -> list[bytes]:
    return [*files(home / "archive").values(), *files(home / "quarantine").values()]


@pytest.mark.parametrize(
    "later",
    [OTHER, replace(FIRST, check=FIRST.check.replace("110232", "110500"))],
    ids=["other bytes", "other check file"],
)
def test_bytes_that_a_killed_fetch_left_make_way(home: Path, root: Path, later: Offer) -> None:
    former = FIRST.put(root)
    former_check = (root / "outgoing/PAYM" / f"{STEM}.CHK").read_bytes()
    BEFORE.put(root)
    assert tierline_process(home, "fetch", now=NOW, fault="archive:1").returncode == -9
    assert (home / "archive" / DAY / FIRST.name).read_bytes() == former
    content = later.put(root)
    customers("20261120", 3).put(root)
    ran = take(home)
    assert ran.exit_status == 0, ran.err
    assert {(each.stem, each.state.value) for each in ledger(home)} == {
        (stem, "loaded") for stem in (STEM, BEFORE.stem, "CUST_110_F_20261120_0001_00")
    }
    assert (home / "archive" / DAY / FIRST.name).read_bytes() == content
    assert (root / BACKUP / FIRST.name).read_bytes() == content
    assert {former, former_check} <= set(all_kept(home))
    assert tierline(home, "backups", "verify", now=NOW).exit_status == 0


@contextmanager
def held_ledger(home: Path) -> Iterator[None]:
    """While the block runs, whoever wants to write the ledger waits."""
    with closing(sqlite3.connect(home / "ledger.sqlite", isolation_level=None)) as connection:
        connection.execute("begin immediate")
        yield
        connection.execute("rollback")


def kill_retry_before_the_ledgers_word(home: Path) -> None:
    with held_ledger(home):
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", "--home", str(home), "batch", "retry", STEM],
            env=os.environ | {"TIERLINE_NOW": NOW}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + 25  # less than its patience with the ledger
        while not (home / "archive" / DAY / f"{STEM}.CHK").exists() and time.monotonic() < until:
            time.sleep(0.02)
        process.kill()
        assert process.wait() == -9


@pytest.mark.parametrize("next_word", ["offered again", "retried again"])
def test_bytes_that_a_killed_retry_left_make_way(home: Path, root: Path, next_word: str) -> None:
    former = MANY_BAD.put(root)
    take(home)
    change_schema(home, *GIFTS)
    kill_retry_before_the_ledgers_word(home)
    assert (home / "archive" / DAY / MANY_BAD.name).read_bytes() == former
    assert states(home) == [("0001_00", "refused", "E501")]
    BEFORE.put(root)
    if next_word == "retried again":
        assert batch(home, "retry").exit_status == 0
        assert take(home).exit_status == 0
        assert [state for _, state, _ in states(home)] == ["loaded", "loaded"]
        assert (home / "archive" / DAY / MANY_BAD.name).read_bytes() == former
        return
    content = OTHER.put(root)
    ran = take(home)
    assert ran.exit_status == 0, ran.err
    assert [state for _, state, _ in states(home)] == ["refused", "loaded", "loaded"]
    assert (home / "archive" / DAY / OTHER.name).read_bytes() == content
    assert (home / "quarantine" / DAY / "000001" / MANY_BAD.name).read_bytes() == former
    assert tierline(home, "backups", "verify", now=NOW).exit_status == 0


def test_a_retry_while_the_stem_is_on_its_way_moves_nothing(home: Path, root: Path) -> None:
    former = MANY_BAD.put(root)
    take(home)
    change_schema(home, *GIFTS)
    content = OTHER.put(root)
    assert tierline_process(home, "fetch", now=NOW, fault="claim").returncode == -9
    before = states(home), files(home / "archive"), files(home / "quarantine")
    ran = batch(home, "retry")
    assert (ran.exit_status, STEM in ran.err, "on its way" in ran.err) == (2, True, True), ran.err
    assert (states(home), files(home / "archive"), files(home / "quarantine")) == before
    assert take(home).exit_status == 0
    assert states(home) == [("0001_00", "refused", "E501"), ("0001_00", "loaded", None)]
    assert {former, content} <= set(all_kept(home))


@pytest.mark.parametrize("lost", [[".DAT"], [".CHK"], [".DAT", ".CHK"]], ids="".join)
def test_a_discard_of_what_the_archive_lost_keeps_no_other(home: Path, root: Path, lost: list[str]) -> None:
    former = FIRST.put(root)
    take(home)
    for ending in lost:
        (home / "archive" / DAY / f"{STEM}{ending}").unlink()
    assert (f"E206 {STEM}" in batch(home, "discard").err) == (".DAT" in lost)
    BEFORE.put(root)
    content = OTHER.put(root)
    ran = take(home)
    assert ran.exit_status == 0, ran.err
    assert [state for _, state, _ in states(home)] == ["discarded", "loaded", "loaded"]
    assert (home / "archive" / DAY / OTHER.name).read_bytes() == content
    assert tierline(home, "backups", "verify", now=NOW).exit_status == 1
    ran = tierline(home, "backups", "restore", now=NOW)
    assert ran.exit_status == 0, ran.err
    assert (home / "quarantine" / DAY / "000001" / FIRST.name).read_bytes() == former


@pytest.fixture
def pruned(home: Path, root: Path) -> None:
    """The archive's copy of the one batch went after its feed's retention."""
    FIRST.put(root)
    take(home)
    assert tierline(home, "backups", "prune", "--archive", "--delete", now=OLD).exit_status == 0
    assert files(home / "archive") == {}


def test_a_discard_of_what_was_pruned_keeps_no_other(home: Path, root: Path, pruned: None) -> None:
    batch(home, "discard", now=OLD)
    BEFORE.put(root)
    ran = take(home, OLD)
    assert ran.exit_status == 0, ran.err
    assert [state for _, state, _ in states(home)] == ["discarded", "loaded"]
    assert in_core(home, "select count(*) from core.payment") == [(1,)]


def test_a_discard_of_what_was_pruned_alarms_nobody(home: Path, root: Path, pruned: None) -> None:
    """A copy that retention took is neither lost nor to be restored."""
    ran = batch(home, "discard", now=OLD)
    assert (ran.exit_status, open_alarms(home, "E206")) == (0, []), ran.err[-300:]


def test_the_end_of_an_old_refused_offering_leaves_what_speaks_for_the_stem(home: Path, root: Path) -> None:
    MANY_BAD.put(root)
    take(home)
    payments(STEM, "CARD", "WALLET", "GIFT").put(root)
    take(home)
    before = files(root / "receipt")
    assert before.keys() == {f"PAYM/{STEM}.RCP", f"PAYM/{STEM}.REJ"}
    assert receipt(root, STEM)[1] == "PARTIAL"
    assert batch(home, "discard", "--offering", "1").exit_status == 0
    take(home)
    assert states(home) == [("0001_00", "discarded", "E501"), ("0001_00", "loaded", None)]
    assert files(root / "receipt") == before


def test_a_retry_of_bytes_that_stand_already_is_a_wrong_use(home: Path, root: Path) -> None:
    FIRST.put(root)
    take(home, EARLY)
    FIRST.put(root)
    take(home)
    before = ledger(home)
    assert states(home) == [("0001_00", "refused", "E105"), ("0001_00", "loaded", None)]
    ran = batch(home, "retry")
    assert (ran.exit_status, "stand already" in ran.err) == (2, True), ran.err
    assert ledger(home) == before
    assert batch(home, "discard", "--offering", "1").exit_status == 0
    assert states(home) == [("0001_00", "discarded", "E105"), ("0001_00", "loaded", None)]
    assert receipt(root, STEM)[1] == "ACCEPTED"


def test_a_retry_that_ends_stale_tells_the_producer(home: Path, root: Path) -> None:
    content = FIRST.put(root)
    take(home, EARLY)
    SECOND.put(root)
    take(home)
    assert receipt(root, STEM)[1:6:4] == ["REFUSED", "E105"]
    assert batch(home, "retry").exit_status == 3
    assert states(home) == [("0001_00", "superseded", "E504"), ("0001_01", "loaded", None)]
    assert receipt(root, STEM)[1:6:4] == ["REFUSED", "E504"]
    assert (home / "archive" / DAY / FIRST.name).read_bytes() == content
    assert tierline(home, "backups", "verify", now=NOW).exit_status == 0


def test_a_link_that_a_broken_move_left_in_outgoing_goes(home: Path, root: Path) -> None:
    content = FIRST.put(root)
    tierline(home, "fetch", now=NOW)
    (root / BACKUP).mkdir(parents=True)
    os.link(root / "outgoing/PAYM" / FIRST.name, root / BACKUP / FIRST.name)
    assert tierline(home, "load", now=NOW).exit_status == 0
    assert files(root / "outgoing") == {}
    assert files(root / "backup").keys() == {f"20261122/PAYM/{STEM}.DAT", f"20261122/PAYM/{STEM}.CHK"}
    assert (root / BACKUP / FIRST.name).read_bytes() == content
    assert take(home, "2026-11-22T13:00:00").exit_status == 0
    assert states(home) == [("0001_00", "loaded", None)]
    assert open_alarms(home, "left") == []


@pytest.mark.fault(5)
def test_a_file_too_large_for_the_disk_keeps_no_other(home: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk says is made up, for a test that fails must never fill the disk of whoever runs it."""
    for offer in (EARLIER, BEFORE, FIRST):
        offer.put(root)
    with (root / "outgoing/PAYM" / BEFORE.name).open("r+b") as sparse:
        sparse.truncate(300 << 20)
    customers("20261120", 3).put(root)
    block = os.statvfs(home).f_frsize
    real = tuple(os.statvfs(home))
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((*real[:4], (350 << 20) // block, *real[5:])))
    ran = tierline(home, "fetch", now=NOW)
    found = {each.stem: each.state.value for each in ledger(home)}
    assert found.pop(BEFORE.stem) == "announced"
    assert found == dict.fromkeys([STEM, EARLIER.stem, "CUST_110_F_20261120_0001_00"], "verified")
    assert (ran.exit_status, BEFORE.stem in ran.err, "free space" in ran.err) == (1, True, True), ran.err


@pytest.mark.fault(8)
def test_a_check_file_far_too_long_is_refused_once(home: Path, root: Path) -> None:
    FIRST.put(root)
    said = b"x" * (2 << 20)
    (root / "outgoing/PAYM" / f"{STEM}.CHK").write_bytes(said)
    for _ in range(2):
        take(home)
        assert states(home) == [("0001_00", "refused", "E201")]
        assert files(root / "outgoing") == {}
    assert receipt(root, STEM)[1:6:4] == ["REFUSED", "E201"]
    assert said in files(root / "backup").values()
    assert open_alarms(home, "E206") == []
    assert tierline(home, "backups", "verify", now=NOW).exit_status == 0
