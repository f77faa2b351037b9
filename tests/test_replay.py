"""Batches judged again from the archive alone: what is equal stays, what is not is said (file interface, 6)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from offers import (
    FORMAT_2,
    FOUR,
    GIFTS,
    MANY_BAD,
    STEM,
    as_accepted,
    causes,
    change_schema,
    files,
    in_core,
    ledger,
    payments,
    published_state,
    put_end,
    receipt,
    standing,
    take,
)
from running import make_home, tierline, tierline_process

from pipelines.transfer.base import Endpoint

LATER = "2026-11-22T12:30:00"
AS_OF = "2026-11-21"
ONE_BAD = payments(STEM, "GIFT", "CARD", "CASH")
COIN = ("codes/payment_method.yaml", '"CASH"', '"COIN"')
NONE = ("feeds/PAYM.yaml", "rejects, value: {rows: 3, share: 0.001}", "rejects, value: {rows: 0, share: 0}")


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    root.mkdir()
    return make_home(tmp_path / "home", Endpoint("file", root=str(root)))


def replay(home: Path, first: str = "2026112210", last: str = "2026112210") -> tuple[int, str, str]:
    ran = tierline(home, "replay", "--feed", "PAYM", "--from", first, "--to", last, "--why", "drill", now=LATER)
    return ran.exit_status, ran.out, ran.err


@pytest.fixture
def taken(home: Path, root: Path) -> Callable[[], dict[str, list[tuple[object, ...]]]]:
    """A home with one loaded batch, one row of it rejected; gives its published state."""
    ONE_BAD.put(root)
    put_end(root, ONE_BAD)
    assert take(home).exit_status == 3
    return partial(_published, home)


def _published(home: Path) -> dict[str, list[tuple[object, ...]]]:
    for words in (("build", "--as-of", AS_OF), ("publish", "--republish")):
        ran = tierline(home, *words, now=LATER)
        assert ran.exit_status == 0, ran.err
    return published_state(home)


def test_replay_by_the_same_contract_changes_nothing(
    home: Path, root: Path, taken: Callable[[], dict[str, list[tuple[object, ...]]]]
) -> None:
    before, said = taken(), root / "receipt" / "PAYM" / f"{STEM}.RCP"
    assert before["core.payment"]
    written = (said.read_bytes(), said.stat().st_mtime_ns, said.stat().st_ino)
    assert replay(home)[0] in (0, 3)
    tierline(home, "load", now=LATER)
    assert (said.read_bytes(), said.stat().st_mtime_ns, said.stat().st_ino) == written
    assert [(each.state, each.staged_count) for each in ledger(home)] == [("loaded", 2)]
    assert "drill" in " ".join(causes(home))
    assert taken() == before


def test_replay_after_a_code_list_was_extended_loads_more(home: Path, root: Path, taken: object) -> None:
    assert receipt(root, STEM)[1] == "PARTIAL"
    content = (home / "archive/PAYM/2026/11/22" / f"{STEM}.DAT").read_bytes()
    change_schema(home, *GIFTS)
    status, _, err = replay(home)
    assert status == 0, err
    assert standing(home, root) == as_accepted(ONE_BAD, content, 3)


@pytest.mark.parametrize("fault", ["check", "stage", "load", "commit", "backup", "receipt"])
def test_replay_with_other_rejects_that_was_killed_ends_the_same(
    home: Path, root: Path, taken: object, fault: str
) -> None:
    """As many rows as before, but others: the producer's reject file must not stay as it was."""
    rejects = root / "receipt" / "PAYM" / f"{STEM}.REJ"
    assert rejects.read_text().startswith("2|E406|method|")
    change_schema(home, *GIFTS)
    change_schema(home, *COIN)
    words = ("replay", "--feed", "PAYM", "--from", "2026112210", "--to", "2026112210")
    assert tierline_process(home, *words, now=LATER, fault=fault).returncode == -9
    assert replay(home)[0] == 3
    assert rejects.read_text().startswith("4|E406|method|")
    assert receipt(root, STEM)[1:5] == ["PARTIAL", "3", "2", "1"]


@pytest.mark.parametrize(("change", "code"), [(NONE, "E501"), (FORMAT_2, "E305")])
def test_replay_that_would_refuse_leaves_what_stands(
    home: Path, root: Path, taken: Callable[[], dict[str, list[tuple[object, ...]]]], change: tuple[str, str, str],
    code: str,
) -> None:  # fmt: skip
    before, server = taken(), files(root)
    change_schema(home, *change)
    status, _, err = replay(home)
    assert (status, STEM in err, code in err, "stands as before" in err) == (3, True, True, True)
    tierline(home, "load", now=LATER)
    assert [(each.state, each.code, each.loaded) for each in ledger(home)] == [("loaded", None, 2)]
    assert (taken(), files(root)) == (before, server)


@pytest.mark.parametrize(
    ("first", "last"),
    [("20261122", "20261122"), ("2026112211", "2026112210"), ("2026113110", "2026113111"), ("x", "y")],
)
def test_replay_of_no_cycles_is_a_wrong_use(home: Path, taken: object, first: str, last: str) -> None:
    status, _, err = replay(home, first, last)
    assert (status, first in err) == (2, True)
    assert [each.staged_count for each in ledger(home)] == [1]


def test_replay_says_that_nothing_stands_there(home: Path, taken: object) -> None:
    status, out, err = replay(home, "2026112200", "2026112201")
    assert status in (0, 4)
    assert "stem" not in out
    assert "no batch of PAYM stands from 2026112200 to 2026112201" in err


def test_replay_names_a_damaged_archive_and_goes_on(home: Path, root: Path, taken: object) -> None:
    damaged = payments("PAYM_110_I_2026112209_0001_00", "CARD", "CASH")
    after = payments("PAYM_110_I_2026112208_0001_00", "CARD")
    for offer in (damaged, after):
        offer.put(root)
        assert take(home).exit_status == 0
    path = home / "archive/PAYM/2026/11/22" / damaged.name
    path.chmod(0o640)
    path.write_bytes(path.read_bytes().replace(b"CARD", b"CASH"))
    status, _, err = replay(home, "2026112208", "2026112210")
    assert (status, damaged.stem in err, "backups restore" in err) == (1, True, True)
    counts = {each.stem: (each.state.value, each.staged_count) for each in ledger(home)}
    assert counts == {STEM: ("loaded", 2), damaged.stem: ("loaded", 1), after.stem: ("loaded", 2)}
    assert in_core(home, "select count(*) from core.payment") == [(5,)]


def test_the_exit_status_tells_of_rejected_rows(home: Path, root: Path) -> None:
    """Operations, section 2: 3 is done, but something was refused or rejected; `load` says so of the same rows."""
    MANY_BAD.put(root)
    take(home)
    statuses = {"accept": tierline(home, "batch", "accept", STEM, "--why", "so it is", now=LATER).exit_status}
    second = payments("PAYM_110_I_2026112209_0001_00", "GIFT", "GIFT", "GIFT", "GIFT", "CARD")
    second.put(root)
    take(home)
    change_schema(home, *FOUR)
    statuses["retry"] = tierline(home, "batch", "retry", second.stem, now=LATER).exit_status
    statuses["replay"] = replay(home)[0]
    assert statuses == dict.fromkeys(("accept", "retry", "replay"), 3)


def test_the_exit_status_tells_that_the_load_failed_before_it_tells_of_rejected_rows(
    home: Path, root: Path, taken: object
) -> None:
    """An acknowledgement that waits does not get through; what was replayed has rejected rows."""
    change_schema(home, *GIFTS)
    change_schema(home, *COIN)
    receipts = root / "receipt" / "PAYM"
    receipts.rename(receipts.with_name("elsewhere"))
    receipts.write_text("a file where a directory was")
    status, _, err = replay(home)
    assert (status, "source 110" in err) == (1, True), err
