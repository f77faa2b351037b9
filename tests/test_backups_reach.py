"""Copies of batches whose server is out of reach: those here are looked at, and one source keeps no other."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from offers import GOOD, NOW, STEM, in_ledger, named, payments, take
from running import make_home, tierline

from pipelines.transfer.base import Endpoint

OLD = "2027-05-01T12:00:00"  # hourly feeds are kept for 90 days
NEAR, FAR = STEM, STEM.replace("_110_", "_440_")
RESTORE = "landing/110/restore"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that has loaded a batch of each of two sources; one of them, the first, is out of reach since."""
    for source, stem in (("110", NEAR), ("440", FAR)):
        named(stem).put(tmp_path / source)
    home = write_config(tmp_path / "home", "440", "110")
    assert take(home).exit_status == 0
    return home


def write_config(home: Path, *sources: str) -> Path:
    make_home(home, Endpoint("file", root=str(home.parent / sources[0])), sources[0])
    text = (home / "tierline.yaml").read_text()
    (_, *of_first) = text.splitlines()
    for source in sources[1:]:
        of_first += [line.replace(sources[0], source) for line in of_first]
    (home / "tierline.yaml").write_text("\n".join(["sources:", *of_first]) + "\n")
    return home


def away(home: Path, source: str = "440") -> None:
    (home.parent / source).rename(home.parent / f"{source}-away")


def removed(home: Path) -> None:
    write_config(home, "110")


def verify(home: Path) -> tuple[int, dict[str, dict[str, Any]], str]:
    ran = tierline(home, "backups", "verify", "--json", now=NOW)
    return ran.exit_status, {each["stem"]: each for each in json.loads(ran.out)}, ran.err


def archived(home: Path, stem: str) -> Path:
    (path,) = (home / "archive").rglob(f"{stem}.DAT")
    return path


def damage(path: Path) -> None:
    path.chmod(0o640)
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))


@pytest.mark.parametrize("lose", [away, removed])
def test_copies_here_are_compared_though_their_server_cannot_be_asked(home: Path, lose: Any) -> None:
    lose(home)
    status, found, err = verify(home)
    states = {stem: (each["archive"], each["server"]) for stem, each in found.items()}
    expected = (0, "unasked") if lose is removed else (1, "unread")
    assert (status, states) == (expected[0], {NEAR: ("sound", "sound"), FAR: ("sound", expected[1])})
    assert found[FAR]["problem"] in err
    assert in_ledger(home, "select subject from alarm where kind = 'E206'") == []
    damage(archived(home, FAR))
    status, found, err = verify(home)
    assert (status, found[FAR]["archive"]) == (1, "damaged")
    assert in_ledger(home, "select subject from alarm where kind = 'E206'") == [(FAR,)]


@pytest.mark.parametrize("lose", [away, removed])
def test_restoring_goes_on_with_the_next_source(home: Path, lose: Any) -> None:
    for stem in (NEAR, FAR):
        damage(archived(home, stem))
    lose(home)
    ran = tierline(home, "backups", "restore", now=NOW)
    assert ran.exit_status == 1
    assert f"{FAR}: " in ran.err
    assert "Traceback" not in ran.err
    states = {stem: each["archive"] for stem, each in verify(home)[1].items()}
    assert states == {NEAR: "sound", FAR: "damaged"}


@pytest.mark.parametrize("lose", [away, removed])
def test_pruning_goes_on_with_the_next_source(home: Path, lose: Any) -> None:
    lose(home)
    ran = tierline(home, "backups", "prune", "--delete", now=OLD)
    assert (ran.exit_status, "source 440: " in ran.out + ran.err) == (0 if lose is removed else 1, True)
    assert f"{NEAR}: deleted" in ran.out
    assert not list((home.parent / "110" / "backup").rglob("*.DAT"))
    ran = tierline(home, "backups", "prune", "--archive", "--delete", now=OLD)
    assert (ran.exit_status, ran.out.count("deleted")) == (0, 2), "for the copies here no server is needed"


def test_pruning_goes_on_with_the_next_batch(home: Path) -> None:
    """What cannot be deleted stays, and is said to."""
    another = STEM.replace("2026112210", "2026112209")
    payments(another, "CARD").put(home.parent / "110")
    take(home)
    path = archived(home, another)
    path.unlink()
    path.mkdir()
    ran = tierline(home, "backups", "prune", "--archive", "--delete", now=OLD)
    assert (ran.exit_status, ran.out.count(": deleted"), f"{another}: not deleted: " in ran.out) == (1, 2, True)


@pytest.mark.parametrize("command", ["verify", "restore"])
def test_a_batch_with_nothing_to_compare_is_said_to_have_none(home: Path, command: str) -> None:
    for words in ((NEAR, "--from", "20261121", "--to", "20261121"), (NEAR, "--source", "440")):
        ran = tierline(home, "backups", command, *words, now=NOW)
        assert (ran.exit_status, f"batch {NEAR} (loaded): expected bytes" in ran.err) == (2, True)


@pytest.mark.parametrize("command", ["verify", "restore", "prune"])
def test_a_range_that_ends_before_it_begins_is_refused(home: Path, command: str) -> None:
    ran = tierline(home, "backups", command, "--from", "2026112210", "--to", "2026112209", now=NOW)
    assert (ran.exit_status, "expected the first cycle not after the last" in ran.err) == (2, True)


def test_a_restore_that_was_killed_is_done_by_the_next(home: Path, tmp_path: Path) -> None:
    """It had received the bytes, and made them read-only; who is not root cannot write to that file again."""
    kept = archived(home, NEAR)
    sound = kept.read_bytes()
    damage(kept)
    (home / RESTORE).mkdir(parents=True)
    left, witness = home / RESTORE / GOOD.name, tmp_path / "witness"
    left.write_bytes(b"what it had")
    left.chmod(0o400)
    os.link(left, witness)
    ran = tierline(home, "backups", "restore", now=NOW)
    assert ran.exit_status == 0, ran.err
    assert kept.read_bytes() == sound
    assert witness.read_bytes() == b"what it had", "a read-only file was written to"


def test_a_batch_that_cannot_be_received_here_keeps_no_other_from_being_restored(home: Path) -> None:
    another = STEM.replace("2026112210", "2026112209")
    payments(another, "CARD").put(home.parent / "110")
    take(home)
    for stem in (NEAR, another):
        damage(archived(home, stem))
    (home / RESTORE / f"{another}.DAT").mkdir(parents=True)
    ran = tierline(home, "backups", "restore", now=NOW)
    assert (ran.exit_status, f"{another}: " in ran.err) == (1, True)
    states = {stem: each["archive"] for stem, each in verify(home)[1].items()}
    assert (states[NEAR], states[another]) == ("sound", "damaged")
