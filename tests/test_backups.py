"""The copies of a batch: verified on both sides, restored from the sound one, pruned where they are safe elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from offers import in_ledger
from running import make_home, tierline

from pipelines import backups
from pipelines.cli.context import open_site
from pipelines.copies import CopyState
from pipelines.lanes import Lanes
from pipelines.site import Scope
from sftp_fixtures.province import make_province
from sftp_fixtures.servers import sftp_server
from sftp_fixtures.sshd import sshd_server

NOW = "2026-11-22T12:00:00"
LATER = "2027-02-25T12:00:00"  # hourly feeds are kept for 90 days
STEM = "PAYM_110_I_2026112210_0001_00"
ALL_SOUND = {"sound"}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A home that has loaded a small province from a real server, and what the server holds."""
    work = tmp_path_factory.mktemp("loaded")
    remote = work / "remote"
    make_province(remote, subscribers=1000, months=1, days=1, hours=3, end=datetime.fromisoformat(NOW), seed=7)
    with sshd_server(remote) as endpoint:
        home = make_home(work / "home", endpoint)
        assert tierline(home, "fetch", now=NOW).exit_status == 0
        assert tierline(home, "load", now=NOW).exit_status == 0
        yield home, remote


@pytest.fixture
def copies(loaded: tuple[Path, Path], tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """The same home and server, put back as they were after each test."""
    home, remote = loaded
    for name, directory in (("home", home), ("remote", remote)):
        shutil.copytree(directory, tmp_path / name, symlinks=True)
    yield home, remote
    for name, directory in (("home", home), ("remote", remote)):
        for entry in directory.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        shutil.copytree(tmp_path / name, directory, symlinks=True, dirs_exist_ok=True)


def verify(home: Path, *words: str, now: str = NOW) -> dict[str, dict[str, Any]]:
    ran = tierline(home, "backups", "verify", "--json", *words, now=now)
    found = {each["stem"]: each for each in json.loads(ran.out)}
    assert ran.exit_status == (0 if {each["state"] for each in found.values()} <= ALL_SOUND else 1), ran.err
    return found


def archived(home: Path, ending: str = ".DAT") -> Path:
    (path,) = (home / "archive").rglob(f"{STEM}{ending}")
    return path


def backed_up(remote: Path, ending: str = ".DAT") -> Path:
    (path,) = (remote / "backup").rglob(f"{STEM}{ending}")
    return path


def damage(path: Path) -> bytes:
    """Change one byte, size and time as they were; returns the bytes before."""
    sound = path.read_bytes()
    mode = path.stat().st_mode
    path.chmod(0o640)
    path.write_bytes(sound[:50] + bytes([sound[50] ^ 1]) + sound[51:])
    path.chmod(mode)
    return sound


def test_all_copies_are_sound_after_a_load(copies: tuple[Path, Path]) -> None:
    found = verify(copies[0])
    assert len(found) > 10
    assert {(each["archive"], each["server"]) for each in found.values()} == {("sound", "sound")}


def test_a_range_of_cycles(copies: tuple[Path, Path]) -> None:
    found = verify(copies[0], "--from", "2026112210", "--to", "2026112210")
    assert STEM in found
    assert {stem.split("_")[3] for stem in found} == {"2026112210"}
    assert len(verify(copies[0], "--from", "202610", "--to", "202610")) == 1
    assert tierline(copies[0], "backups", "verify", "--from", "20261131", now=NOW).exit_status == 2


@pytest.mark.parametrize("ending", [".DAT", ".CHK"])
@pytest.mark.parametrize("trouble", ["damaged", "missing"])
@pytest.mark.parametrize("side", ["archive", "server"])
def test_what_one_side_lost_is_put_back_from_the_other(
    copies: tuple[Path, Path], side: str, trouble: str, ending: str
) -> None:
    home, remote = copies
    path = archived(home, ending) if side == "archive" else backed_up(remote, ending)
    other = backed_up(remote, ending) if side == "archive" else archived(home, ending)
    sound, untouched = path.read_bytes(), other.stat().st_mtime_ns
    damage(path) if trouble == "damaged" else path.unlink()
    found = verify(home)
    assert found[STEM][side] == trouble
    assert {each["state"] for stem, each in found.items() if stem != STEM} == ALL_SOUND
    restored = tierline(home, "backups", "restore", now=NOW)
    assert restored.exit_status == 0, restored.err
    assert f"{STEM}: " in restored.out
    assert path.read_bytes() == sound
    assert other.stat().st_mtime_ns == untouched, "a sound copy was touched"
    assert verify(home)[STEM]["state"] == "sound"
    story = tierline(home, "batch", "show", STEM, now=NOW).out
    assert f"it was {trouble}" in story
    if trouble == "damaged":
        aside = [*(home / "quarantine").rglob(f"{STEM}{ending}"), *remote.rglob(f"*-damaged-{STEM}{ending}")]
        assert [each.read_bytes() != sound for each in aside] == [True], "the damaged copy is kept as evidence"


def test_what_both_sides_lost_is_said_and_left(copies: tuple[Path, Path]) -> None:
    home, remote = copies
    damage(archived(home))
    backed_up(remote).unlink()
    restored = tierline(home, "backups", "restore", STEM, now=NOW)
    assert restored.exit_status == 1
    assert "cannot be mended: archive damaged, server missing" in restored.err
    assert archived(home).exists()


def test_an_unsound_copy_raises_one_alarm_which_restoring_clears(copies: tuple[Path, Path]) -> None:
    home, _ = copies
    sound = damage(archived(home))
    told = [tierline(home, "backups", "verify", now=NOW).err.count(f"E206 {STEM}") for _ in range(2)]
    assert told == [1, 0], "an alarm is told once"
    log = home / "logs" / "alarms.jsonl"
    tierline(home, "backups", "restore", now=NOW)
    assert archived(home).read_bytes() == sound
    damage(archived(home))
    assert tierline(home, "backups", "verify", now=NOW).err.count(f"E206 {STEM}") == 1, "it is a new alarm"
    assert log.read_text().count(f'"subject": "{STEM}"') == 2


@pytest.mark.parametrize("trouble", ["damaged", "missing"])
def test_an_unsound_copy_here_raises_its_alarm_though_the_server_does_not_let_us_read_its_own(
    copies: tuple[Path, Path], trouble: str
) -> None:
    home, remote = copies
    for ending in (".DAT", ".CHK"):
        path = backed_up(remote, ending)
        path.unlink()
        path.mkdir()
    ran = tierline(home, "backups", "verify", now=NOW)
    assert (ran.exit_status, "E206" in ran.err) == (1, False), "nothing is known to be unsound"
    damage(archived(home)) if trouble == "damaged" else archived(home).unlink()
    ran = tierline(home, "backups", "verify", now=NOW)
    assert ran.err.count(f"E206 {STEM}") == 1
    assert f"is {trouble}" in ran.err
    assert f"archive {trouble}, server unread" in ran.out


def test_a_copy_on_the_server_that_is_far_too_large_is_damaged(copies: tuple[Path, Path]) -> None:
    home, remote = copies
    with backed_up(remote).open("r+b") as file:
        file.truncate(40 << 20)
    assert verify(home, STEM)[STEM]["server"] == "damaged"


def test_copies_here_are_looked_at_though_the_connection_is_lost_for_good(
    copies: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, remote = copies
    monkeypatch.setenv("TIERLINE_NOW", NOW)
    damage(archived(home))
    with sftp_server(remote) as endpoint:
        site = open_site(make_home(home, endpoint, extra="    retries: 0\n"))
        found = backups.kept_offerings(site, "110", Scope(), backups.Range.between(None, None))
        lanes = Lanes(site.source("110"))
    with lanes:
        told = backups.verify(site, lanes, found, lambda: None)
    assert [each.current for each in told] == found
    assert {each.server for each in told} == {CopyState.UNREAD}
    assert all(each.problem for each in told)
    assert [each.current.stem for each in told if each.archive is not CopyState.SOUND] == [STEM]
    assert in_ledger(home, "select subject from alarm where kind = 'E206'") == [(STEM,)]


def test_a_damaged_archive_does_not_refuse_a_sound_batch(copies: tuple[Path, Path]) -> None:
    """The judge tells damage here from faults of the producer; once restored, the batch is replayed."""
    home, _ = copies
    sound = archived(home).read_bytes()
    path = archived(home)
    path.chmod(0o640)
    path.write_bytes(sound.replace(b"H|1|", b"H|9|", 1))  # would be E305
    words = ("replay", "--feed", "PAYM", "--from", "2026112210", "--to", "2026112210")
    replayed = tierline(home, *words, now=NOW)
    assert replayed.exit_status == 1
    assert "backups restore" in replayed.err
    tierline(home, "backups", "restore", now=NOW)
    assert tierline(home, *words, now=NOW).exit_status == 0


def prune(home: Path, *words: str, now: str = LATER) -> str:
    ran = tierline(home, "backups", "prune", "--feed", "PAYM", *words, now=now)
    assert ran.exit_status in (0, 1), ran.err
    return ran.out


def test_nothing_is_pruned_before_its_time_or_without_being_told_to(copies: tuple[Path, Path]) -> None:
    home, remote = copies
    assert "0 of 3 copies" in prune(home, "--delete", now="2027-02-20T09:59:59")
    assert "3 of 3 copies" in prune(home)
    assert backed_up(remote).exists()


def test_the_servers_copy_goes_only_while_the_archives_is_sound(copies: tuple[Path, Path]) -> None:
    home, remote = copies
    damage(archived(home))
    out = prune(home, "--delete")
    assert f"{STEM}: kept on the server" in out
    assert out.count("deleted") == 2
    assert [path.stem for path in (remote / "backup").rglob("PAYM_*.DAT")] == [STEM]
    tierline(home, "backups", "restore", now=LATER)
    assert f"{STEM}: deleted" in prune(home, "--delete")
    found = verify(home, "--feed", "PAYM", now=LATER)
    assert {(each["archive"], each["server"]) for each in found.values()} == {("sound", "expired")}
    assert tierline(home, "backups", "restore", now=LATER).exit_status == 0
    assert not list((remote / "backup").rglob("PAYM_*.DAT")), "an expired copy is not restored"


def test_the_archives_copy_goes_only_while_its_rows_stand_staged(copies: tuple[Path, Path]) -> None:
    home, _ = copies
    (staged,) = (home / "staged").rglob(f"{STEM}.parquet")
    staged.unlink()
    out = prune(home, "--archive", "--delete")
    assert f"{STEM}: kept" in out
    assert [path.stem for path in (home / "archive").rglob("PAYM_*.DAT")] == [STEM]


def overwrite(path: Path) -> None:
    """Forty bytes of the data pages; the footer, which counts the rows, stays."""
    content = path.read_bytes()
    path.write_bytes(content[:60] + bytes(range(200, 240)) + content[100:])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize("lose", [overwrite, cut, Path.unlink])
@pytest.mark.parametrize("ending", ["", ".rejects"])
def test_the_last_copies_stay_where_staged_rows_or_rejects_cannot_be_read(
    copies: tuple[Path, Path], lose: Callable[[Path], None], ending: str
) -> None:
    """Else a warehouse that is rebuilt would lack them for good."""
    home, remote = copies
    (staged,) = (home / "staged").rglob(f"{STEM}{ending}.parquet")
    sound = staged.read_bytes()
    lose(staged)
    out = prune(home, "--archive", "--delete")
    assert f"{STEM}: kept: expected " in out
    assert f"{STEM}{ending}.parquet, found" in out
    assert out.count("deleted") == 2, "the others are sound"
    assert archived(home).exists()
    staged.write_bytes(sound)
    assert f"{STEM}: deleted" in prune(home, "--archive", "--delete")
    lose(staged)
    out = prune(home, "--delete")
    assert f"{STEM}: kept: expected " in out
    assert [path.stem for path in (remote / "backup").rglob("PAYM_*.DAT")] == [STEM]


def test_a_refused_batch_is_never_pruned(copies: tuple[Path, Path]) -> None:
    home, remote = copies
    name = "PAYM_110_I_2026112205_0001_00"
    directory = remote / "outgoing" / "PAYM"
    (directory / f"{name}.DAT").write_text("nonsense\n")
    (directory / f"{name}.CHK").write_text("nonsense\n")
    tierline(home, "fetch", now=NOW)
    tierline(home, "load", now=NOW)
    assert verify(home, name)[name]["archive"] == "sound"
    assert "3 of 4 copies" in prune(home, "--delete")
    assert list((home / "quarantine").rglob(f"{name}.DAT"))
