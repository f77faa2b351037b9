"""Alarms, end files and copies of several offerings or cycles: what is settled for one is not settled for another."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from offers import NOW, STEM, files, in_core, in_ledger, payments, put_end, receipt, states, take
from running import make_home, tierline, tierline_process

from pipelines.cli.context import close_sites, open_site
from pipelines.names import CycleKey
from pipelines.taking_ends import take_ends
from pipelines.transfer.base import Endpoint, RemoteFile, Sink
from pipelines.transfer.directory import DirectoryTransport

DAY = "PAYM/2026/11/22"
BACKUP = "backup/20261122/PAYM"
CYCLE = "PAYM_110_I_2026112210"
FIRST = payments(STEM, "CARD", "CASH", "WALLET")
MORE = payments(f"{CYCLE}_0002_00", "BANK")
BEFORE = payments("PAYM_110_I_2026112209_0001_00", "CARD")
EARLIER = payments("PAYM_110_I_2026112208_0001_00", "CASH")
OLD = "2027-05-01T12:00:00"  # hourly feeds are kept for 90 days


@pytest.fixture
def home(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TIERLINE_NOW", NOW)
    root.mkdir()
    yield make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    close_sites()


def alarms(home: Path, kind: str) -> list[tuple[str, bool]]:
    """(subject, whether it is open) of every alarm of a kind, oldest first."""
    return in_ledger(home, f"select subject, cleared_at is null from alarm where kind = '{kind}' order by alarm_id")


class Replaced(DirectoryTransport):
    """A drop directory whose producer replaces an end file as soon as it was read once."""

    def __init__(self, root: Path, end: Path, newer: bytes) -> None:
        super().__init__(Endpoint("file", root=str(root)))
        self._end, self._newer = end, newer

    def read(self, path: str, sink: Sink, offset: int = 0) -> int:
        count = super().read(path, sink, offset)
        if path.endswith(".END"):
            self._end.write_bytes(self._newer)
        return count


def test_an_end_file_replaced_while_it_is_taken_is_taken_next(home: Path, root: Path) -> None:
    for offer in (FIRST, MORE):
        offer.put(root)
    tierline(home, "fetch", now=NOW)
    newer = put_end(root, FIRST, MORE).read_bytes()
    end = put_end(root, FIRST)
    former = end.read_bytes()
    site, transport = open_site(home), Replaced(root, end, newer)
    key = CycleKey(*CYCLE.split("_"))
    take_ends(site, site.contracts["PAYM"], transport, [(key, RemoteFile(end.name, len(former), True))])
    assert end.read_bytes() == newer, "what nobody read is not moved"
    assert not (root / BACKUP / end.name).exists()
    assert take(home).exit_status == 0
    assert in_ledger(home, "select files from end_file") == [(2,)]
    assert (root / BACKUP / end.name).read_bytes() == newer
    kept = {path: content for path, content in files(home / "archive").items() if path.endswith(".END")}
    assert kept.pop(f"{DAY}/{end.name}") == newer
    assert list(kept.values()) == [former]
    assert files(root / "outgoing") == {}


def test_one_unsound_offering_of_a_stem_keeps_its_alarm_open(home: Path, root: Path) -> None:
    payments(STEM, "GIFT", "GIFT", "GIFT", "GIFT", "CARD").put(root)
    take(home)
    FIRST.put(root)
    take(home)
    (lost,) = (home / "quarantine").rglob("*.DAT")
    lost.unlink()
    told = [tierline(home, "backups", "verify", now=NOW).err.count(f"alarm: E206 {STEM}") for _ in range(2)]
    assert told == [1, 0]
    assert alarms(home, "E206") == [(STEM, True)]
    assert tierline(home, "backups", "restore", now=NOW).exit_status == 0
    assert lost.exists()
    assert alarms(home, "E206") == [(STEM, False)]


def test_the_next_version_mends_a_refusal(home: Path, root: Path) -> None:
    replace(FIRST, digest="0" * 64).put(root)
    take(home)
    assert alarms(home, "refused") == [(STEM, True)]
    payments(f"{CYCLE}_0001_01", "CARD").put(root)
    take(home)
    assert states(home) == [("0001_00", "refused", "E203"), ("0001_01", "loaded", None)]
    assert alarms(home, "refused") == [(STEM, False)]


def test_a_fetch_of_one_cycle_settles_no_end_file_of_another(home: Path, root: Path) -> None:
    FIRST.put(root)
    end = put_end(root, FIRST)
    sound = end.read_bytes()
    end.write_bytes(b"rubbish\n")
    tierline(home, "fetch", now=NOW)
    subject = f"110 outgoing/PAYM/{end.name}"
    assert alarms(home, "left") == [(subject, True)]
    for words in (("--cycle", "2026112209"), ("--feed", "CUST"), ()):
        assert tierline(home, "fetch", *words, now=NOW).exit_status == 0
        assert alarms(home, "left") == [(subject, True)], words
    end.write_bytes(sound)
    tierline(home, "fetch", "--cycle", "2026112210", now=NOW)
    assert alarms(home, "left") == [(subject, False)]


def test_an_end_file_that_cannot_be_moved_keeps_no_other(home: Path, root: Path) -> None:
    offers = (EARLIER, BEFORE, FIRST)
    for offer in offers:
        offer.put(root)
        put_end(root, offer)
    (root / "outgoing/PAYM" / f"{CYCLE}.END").write_bytes(b"rubbish\n")
    obstacle = root / BACKUP / f"{EARLIER.stem[:-8]}.END"
    obstacle.mkdir(parents=True)
    for _ in range(2):
        ran = tierline(home, "fetch", now=NOW)
        assert (ran.exit_status, obstacle.name in ran.err, "Traceback" in ran.err) == (1, True, False)
        assert (root / BACKUP / f"{BEFORE.stem[:-8]}.END").is_file()
        assert [state for _, state, _ in states(home)] == ["verified"] * 3
        assert (f"110 outgoing/PAYM/{CYCLE}.END", True) in alarms(home, "left")
    obstacle.rmdir()
    assert tierline(home, "fetch", now=NOW).exit_status == 0
    assert obstacle.is_file()
    assert files(root / "outgoing").keys() >= {f"PAYM/{CYCLE}.END"}


def test_a_cycle_that_is_watched_no_longer_stays_missing_until_it_comes(tmp_path: Path, root: Path) -> None:
    root.mkdir()
    extra = "    since: 2026-11-22\nwatch_days: 1\n"
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)), extra=extra)
    cycle = EARLIER.stem[:-8]
    tierline(home, "load", now=NOW)
    assert (cycle, True) in alarms(home, "missing")
    tierline(home, "load", now="2026-11-25T12:00:00")
    assert [each for each in alarms(home, "missing") if each[0] == cycle] == [(cycle, True)]
    EARLIER.put(root)
    put_end(root, EARLIER)
    take(home, "2026-11-25T12:30:00")
    assert [each for each in alarms(home, "missing") if each[0] == cycle] == [(cycle, False)]


HERE, THERE = ("--archive",), ()


@pytest.mark.parametrize("order", [(HERE, THERE), (THERE, HERE)], ids=["here first", "there first"])
def test_both_copies_are_pruned_in_either_order(home: Path, root: Path, order: tuple[tuple[str, ...], ...]) -> None:
    FIRST.put(root)
    take(home)
    for words in order:
        ran = tierline(home, "backups", "prune", *words, "--delete", now=OLD)
        assert (ran.exit_status, f"{STEM}: deleted" in ran.out) == (0, True), ran.out + ran.err
    assert (files(home / "archive"), files(root / "backup")) == ({}, {})
    assert tierline(home, "backups", "verify", now=OLD).exit_status == 0
    assert alarms(home, "E206") == []
    tierline(home, "load", now=OLD)
    assert in_core(home, "select count(*) from core.payment") == [(3,)]


@pytest.mark.parametrize("order", [(HERE, THERE), (THERE, HERE)], ids=["here first", "there first"])
def test_the_last_copy_stays_where_the_staged_rows_are_gone(
    home: Path, root: Path, order: tuple[tuple[str, ...], ...]
) -> None:
    FIRST.put(root)
    take(home)
    tierline(home, "backups", "prune", *order[0], "--delete", now=OLD)
    (rows,) = (home / "staged").rglob(f"{STEM}.parquet")
    rows.unlink()
    ran = tierline(home, "backups", "prune", *order[1], "--delete", now=OLD)
    assert (ran.exit_status, f"{STEM}: kept" in ran.out) == (1, True), ran.out + ran.err
    assert len(files(home / "archive") | files(root / "backup")) == 2


def test_a_batch_whose_server_copy_was_pruned_is_discarded_without_an_alarm(home: Path, root: Path) -> None:
    """What we deleted ourselves after the retention is not lost (E206)."""
    FIRST.put(root)
    take(home)
    tierline(home, "backups", "prune", "--delete", now=OLD)
    assert files(root / "backup") == {}
    ran = tierline(home, "batch", "discard", STEM, "--why", "ticket 4711", now=OLD)
    assert (ran.exit_status, alarms(home, "E206")) == (0, []), ran.err
    assert receipt(root, STEM)[1] == "REFUSED"
    assert tierline(home, "backups", "verify", now=OLD).exit_status == 0


def requests(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "request").rglob("*.RSD"))


@pytest.mark.fault(11)
def test_gaps_of_a_cycle_of_any_age_are_asked_for(home: Path, root: Path) -> None:
    """E502: the producer backfills last year's; what its end file names and does not come is asked for."""
    old = payments("PAYM_110_I_2025112210_0001_00", "CARD")
    old.put(root)
    put_end(root, old, payments("PAYM_110_I_2025112210_0002_00", "CASH"))
    take(home)
    assert "PAYM_110_I_2025112210_0002_00.RSD" in requests(root)


def test_the_alarm_of_a_cycle_that_comes_long_after_it_was_missing_is_cleared(home: Path, root: Path) -> None:
    BEFORE.put(root)
    take(home)
    take(home, now="2026-11-22T13:30:00")
    subject = "PAYM_110_I_2026112209"
    assert (subject, True) in alarms(home, "missing")
    much_later = "2027-02-01T12:00:00"
    tierline(home, "load", now=much_later)
    assert (subject, True) in alarms(home, "missing"), "nobody waits for it any more, and it did not come"
    put_end(root, BEFORE)
    take(home, now=much_later)
    assert (subject, False) in alarms(home, "missing")


def test_a_refusal_that_an_operator_sets_aside_asks_for_nothing_more(home: Path, root: Path) -> None:
    replace(FIRST, size_off=1).put(root)
    take(home)
    assert requests(root) == [f"{STEM}.RSD"]
    (root / "request" / "PAYM" / f"{STEM}.RSD").unlink()  # the producer has read it
    tierline(home, "batch", "discard", STEM, "--why", "not wanted", now=NOW)
    assert states(home) == [("0001_00", "discarded", "E202")]
    assert requests(root) == []


def test_an_older_version_is_no_answer_to_the_refusal_of_a_newer_one(home: Path, root: Path) -> None:
    newer = payments(f"{CYCLE}_0001_01", "CARD", "CASH", "WALLET")
    replace(newer, size_off=1).put(root)
    take(home)
    FIRST.put(root)
    take(home)
    assert [state for _, state, _ in states(home)] == ["refused", "loaded"]
    assert alarms(home, "refused") == [(newer.stem, True)]


def test_a_stem_that_the_ledger_does_not_know_has_no_copies_to_verify(home: Path, root: Path) -> None:
    for command in ("verify", "restore"):
        ran = tierline(home, "backups", command, "PAYM_110_I_2026112210_0009_00", now=NOW)
        assert ran.exit_status == 2
        assert "the ledger knows no such stem" in ran.err


def test_nothing_comes_back_beside_one_that_stands_without_its_archive(home: Path, root: Path) -> None:
    """The bytes of what stands were pruned; a refusal of its SEQ is no reason to judge the version below again."""
    newer = payments(f"{CYCLE}_0001_01", "CARD", "CASH", "WALLET")
    for offer in (FIRST, newer):
        offer.put(root)
        take(home)
    stands = next((home / "staged").rglob(f"{STEM}.parquet"))
    assert stands.exists()
    pruned = tierline(home, "backups", "prune", "--archive", "--delete", "--from", CYCLE[-10:], now=OLD)
    assert pruned.out.count("deleted") == 2, pruned.out
    with closing(sqlite3.connect(home / "ledger.sqlite")) as ledger:  # the version below still has its bytes
        ledger.execute("update offering set archive_pruned_at = null where version = '00'")
        ledger.commit()
    replace(payments(f"{CYCLE}_0001_02", "CARD"), size_off=1).put(root)
    tierline(home, "fetch", now=OLD)
    assert states(home)[:2] == [("0001_00", "superseded", None), ("0001_01", "loaded", None)]


def test_the_same_bytes_come_again_before_a_killed_load_had_answered(home: Path, root: Path) -> None:
    FIRST.put(root)
    assert tierline(home, "fetch", now=NOW).exit_status == 0
    assert tierline_process(home, "load", now=NOW, fault="backup").returncode == -9
    FIRST.put(root)
    take(home)
    take(home)
    assert files(root / "outgoing") == {}
    assert [state for _, state, _ in states(home)] == ["loaded", "duplicate"]
