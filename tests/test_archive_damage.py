"""Damage of our own archive: the batches that it hits wait for a restore, and keep no other from being checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from offers import NOW, STEM, files, ledger, payments, receipt
from running import make_home, tierline

from pipelines.transfer.base import Endpoint

CYCLE = STEM.removesuffix("_0001_00")
BATCHES = [payments(f"{CYCLE}_{seq}_00", "CARD", "CASH") for seq in ("0001", "0002", "0003")]


def unreadable(path: Path) -> None:
    """A regular file whose first read is an input/output error, as of a disk that fails."""
    path.symlink_to("/proc/self/mem")


TROUBLES: dict[str, tuple[str, Callable[[bytes], bytes] | None]] = {
    "no check file any more": (".CHK", lambda sound: b"\x00" * len(sound)),
    "another number of records": (".CHK", lambda sound: sound.replace(b"|2|sha256", b"|3|sha256")),
    "check file cannot be read": (".CHK", None),
    "data file cannot be read": (".DAT", None),
}


def changed(path: Path, change: Callable[[bytes], bytes] | None) -> None:
    sound = path.read_bytes()
    path.unlink()
    if change is None:
        unreadable(path)
    else:
        assert change(sound) != sound
        path.write_bytes(change(sound))


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    """A home that has fetched three batches of one hour, and judged none."""
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    for offer in BATCHES:
        offer.put(root)
    assert tierline(home, "fetch", now=NOW).exit_status == 0
    return home


def states(home: Path) -> list[str]:
    return [each.state.value for each in ledger(home)]


@pytest.mark.parametrize(("ending", "change"), TROUBLES.values(), ids=TROUBLES)
def test_a_batch_whose_archived_copy_is_damaged_waits_and_the_others_are_loaded(
    home: Path, root: Path, ending: str, change: Callable[[bytes], bytes] | None
) -> None:
    changed(home / "archive/PAYM/2026/11/22" / f"{STEM}{ending}", change)
    ran = tierline(home, "load", now=NOW)
    assert (ran.exit_status, states(home)) == (1, ["verified", "loaded", "loaded"]), ran.err
    said = [STEM] if ending == ".DAT" else [f"{STEM}.CHK: expected", f" backups restore {STEM}"]
    for words in [*said, *(["expected sha256:", "found sha256:"] if change else ["Input/output error"])]:
        assert words in ran.err, ran.err
    assert not (root / "receipt/PAYM" / f"{STEM}.RCP").exists(), "the producer hears of no fault of ours"
    assert not files(home / "quarantine")


def test_once_restored_it_is_loaded(home: Path, root: Path) -> None:
    damaged = home / "archive/PAYM/2026/11/22" / f"{STEM}.CHK"
    changed(damaged, TROUBLES["another number of records"][1])
    tierline(home, "load", now=NOW)
    restored = tierline(home, "backups", "restore", STEM, now=NOW)
    assert restored.exit_status == 0, restored.err
    assert tierline(home, "load", now=NOW).exit_status == 0
    assert states(home) == ["loaded"] * 3
    assert receipt(root, STEM)[1:4] == ["ACCEPTED", "2", "2"]


@pytest.mark.parametrize(("ending", "change"), TROUBLES.values(), ids=TROUBLES)
def test_a_replay_and_a_rebuild_tell_of_it_and_go_on(
    home: Path, tmp_path: Path, ending: str, change: Callable[[bytes], bytes] | None
) -> None:
    assert tierline(home, "load", now=NOW).exit_status == 0
    changed(home / "archive/PAYM/2026/11/22" / f"{STEM}{ending}", change)
    words = ("replay", "--feed", "PAYM", "--from", "2026112210", "--to", "2026112210")
    ran = tierline(home, *words, now=NOW)
    assert (ran.exit_status, STEM in ran.err) == (1, True), ran.err
    assert [each.staged_count for each in ledger(home)] == [1, 2, 2], "the others were judged again"
    rebuilt = tierline(home, "rebuild", "--into", str(tmp_path / "rebuilt"), now=NOW)
    assert rebuilt.exit_status == 1
    assert f"{STEM}{ending}" in rebuilt.out + rebuilt.err
    assert (rebuilt.out + rebuilt.err).count(f"backups restore {STEM}") == 1
    assert "2 batches" in rebuilt.out + rebuilt.err


@pytest.mark.parametrize("ending", [".DAT", ".CHK"])
def test_a_retry_holds_both_files_against_what_was_fetched(home: Path, root: Path, ending: str) -> None:
    """Else a refused batch would be refused again with another code, though only our copy is broken."""
    refused = payments(f"{CYCLE}_0004_00", "GIFT")
    refused.put(root)
    tierline(home, "fetch", now=NOW)
    tierline(home, "load", now=NOW)
    (path,) = (home / "quarantine").rglob(f"{refused.stem}{ending}")
    changed(path, lambda sound: sound.replace(b"1", b"2"))
    before = ledger(home), files(root)
    ran = tierline(home, "batch", "retry", refused.stem, "--why", "ticket", now=NOW)
    assert (ran.exit_status, path.name in ran.err) == (1, True), ran.err
    assert (ledger(home), files(root)) == before
