"""What operators may decide of a batch: retry, accept, replay; discard has test_discard.py (file interface, 6)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from offers import (
    GOOD,
    NOW,
    STEM,
    Offer,
    change_schema,
    files,
    in_core,
    ledger,
    payments,
    published_state,
    put_end,
    receipt,
    take,
)
from running import make_home, tierline, tierline_process

from pipelines.transfer.base import Endpoint

LATER = "2026-11-22T12:30:00"
AS_OF = "2026-11-21"
MANY_BAD = payments(STEM, "GIFT", "GIFT", "GIFT", "GIFT", "CARD")
ONE_BAD = payments(STEM, "GIFT", "CARD", "CASH")
UNKNOWN_FORMAT = replace(GOOD, lines=(GOOD.lines[0].replace("H|1|", "H|2|"), *GOOD.lines[1:]))
GIFTS = ("codes/payment_method.yaml", "codes:", 'codes:\n  - {code: "GIFT", titleEn: Gift, titleZh: 礼品}')
FOUR = ("feeds/PAYM.yaml", "rejects, value: {rows: 3,", "rejects, value: {rows: 4,")
NONE = ("feeds/PAYM.yaml", "rejects, value: {rows: 3, share: 0.001}", "rejects, value: {rows: 0, share: 0}")
FORMAT_2 = ("feeds/PAYM.yaml", 'version: "1"', 'version: "2"')
BACKUP = "backup/20261122/PAYM"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "remote"


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    root.mkdir()
    return make_home(tmp_path / "home", Endpoint("file", root=str(root)))


def causes(home: Path, stem: str = STEM) -> list[str]:
    """What `batch show` tells of the changes, and by whom each was made."""
    (shown,) = json.loads(tierline(home, "batch", "show", stem, "--json", now=LATER).out)
    assert all(event["actor"] for event in shown["states"])
    return [f"{event['state']}: {event['cause']}" for event in shown["states"]]


def stands(home: Path, root: Path, offer: Offer, content: bytes, status: str) -> None:
    """As if the batch had been accepted when it came: ledger, receipt, server, archive, quarantine."""
    (current,) = ledger(home)
    assert (current.state, current.code, current.kept_in) == ("loaded", None, "archive/PAYM/2026/11/22")
    assert receipt(root, offer.stem)[1] == status
    assert receipt(root, offer.stem)[3:6] == [str(current.loaded), str(current.rejected), ""]
    assert (root / "receipt" / "PAYM" / f"{offer.stem}.REJ").exists() == (status == "PARTIAL")
    assert set(files(root / "backup")) == {f"20261122/PAYM/{offer.stem}.{ending}" for ending in ("DAT", "CHK")}
    assert (root / BACKUP / offer.name).read_bytes() == content
    assert (home / "archive/PAYM/2026/11/22" / offer.name).read_bytes() == content
    assert not files(home / "quarantine")
    assert in_core(home, "select count(*) from core.payment") == [(current.loaded,)]


@pytest.mark.parametrize(
    ("offer", "code", "change", "status"),
    [(UNKNOWN_FORMAT, "E305", FORMAT_2, "ACCEPTED"), (MANY_BAD, "E501", FOUR, "PARTIAL"),
     (MANY_BAD, "E501", GIFTS, "ACCEPTED")],
    ids=["format", "limit", "code list"],
)  # fmt: skip
def test_retry_by_a_contract_that_was_changed(
    home: Path, root: Path, offer: Offer, code: str, change: tuple[str, str, str], status: str
) -> None:
    content = offer.put(root)
    assert take(home).exit_status == 3
    assert receipt(root, STEM)[5] == code
    change_schema(home, *change)
    ran = tierline(home, "batch", "retry", STEM, "--why", "contract 2, ticket 4711", now=LATER)
    assert ran.exit_status == (3 if status == "PARTIAL" else 0), (
        ran.out + ran.err
    )  # operations: 3 where rows are rejected
    stands(home, root, offer, content, status)
    assert "ticket 4711" in " ".join(causes(home))


def test_retry_of_a_cycle_that_has_ended_by_now(home: Path, root: Path) -> None:
    content = GOOD.put(root)
    assert take(home, "2026-11-22T10:59:59").exit_status == 3
    assert receipt(root, STEM)[5] == "E105"
    assert tierline(home, "batch", "retry", STEM, now=NOW).exit_status == 0
    stands(home, root, GOOD, content, "ACCEPTED")


def test_retry_that_fails_again_is_refused_with_the_new_code(home: Path, root: Path) -> None:
    content = MANY_BAD.put(root)
    take(home)
    change_schema(home, *FORMAT_2)
    ran = tierline(home, "batch", "retry", STEM, now=LATER)
    assert (ran.exit_status, "E305" in ran.err) == (3, True)
    (current,) = ledger(home)
    assert (current.state, current.code, current.kept_in) == ("refused", "E305", f"quarantine/PAYM/2026/11/22/{1:06d}")
    kept = files(home / current.kept_in)
    assert kept.pop(f"{STEM}.DAT") == content
    assert json.loads(kept.pop(f"{STEM}.reason.json"))["code"] == "E305"
    assert f"{STEM}.CHK" in kept
    load = tierline(home, "load", now=LATER)
    assert receipt(root, STEM)[1:6] == ["REFUSED", "5", "0", "0", "E305"], load.out
    assert not (root / "receipt" / "PAYM" / f"{STEM}.REJ").exists()
    assert (root / "request" / "PAYM" / f"{STEM}.RSD").read_text().split("|")[1] == "E305"


def test_retry_of_bytes_that_really_differ_stays_refused(home: Path, root: Path) -> None:
    replace(GOOD, size_off=1).put(root)
    take(home)
    before = files(root) | files(home / "quarantine")
    ran = tierline(home, "batch", "retry", STEM, now=LATER)
    assert ran.exit_status == 3
    assert f"{STEM}" in ran.err
    assert "E202" in ran.err
    assert [(each.state, each.code) for each in ledger(home)] == [("refused", "E202")]
    tierline(home, "load", now=LATER)
    assert files(root) | files(home / "quarantine") == before


def test_retry_of_a_loaded_batch_advises_what_to_do(home: Path, root: Path) -> None:
    GOOD.put(root)
    take(home)
    ran = tierline(home, "batch", "retry", STEM, now=LATER)
    assert (ran.exit_status, "replay" in ran.err, STEM in ran.err) == (2, True, True)
    assert tierline(home, "batch", "retry", STEM.replace("110_I", "440_I"), now=LATER).exit_status == 2


@pytest.mark.parametrize("fault", ["check", "stage", "load", "commit", "backup", "receipt"])
def test_retry_that_was_killed_ends_the_same(home: Path, root: Path, fault: str) -> None:
    content = MANY_BAD.put(root)
    take(home)
    change_schema(home, *FOUR)
    killed = tierline_process(home, "batch", "retry", STEM, now=LATER, fault=fault)
    assert killed.returncode == -9, killed.stdout + killed.stderr
    tierline(home, "batch", "retry", STEM, now=LATER)
    assert tierline(home, "load", now=LATER).exit_status == 0
    stands(home, root, MANY_BAD, content, "PARTIAL")


def test_a_killed_retry_is_taken_up_by_any_load(home: Path, root: Path) -> None:
    content = MANY_BAD.put(root)
    take(home)
    change_schema(home, *FOUR)
    assert tierline_process(home, "batch", "retry", STEM, now=LATER, fault="check").returncode == -9
    tierline(home, "load", now=LATER)
    stands(home, root, MANY_BAD, content, "PARTIAL")


def test_accept_lets_through_what_the_limit_refused(home: Path, root: Path) -> None:
    content = MANY_BAD.put(root)
    take(home)
    ran = tierline(home, "batch", "accept", STEM, "--why", "known fault, ticket 4711", now=LATER)
    assert ran.exit_status in (0, 3), ran.out + ran.err
    stands(home, root, MANY_BAD, content, "PARTIAL")
    (current,) = ledger(home)
    assert (current.loaded, current.rejected) == (1, 4)
    assert "known fault, ticket 4711" in " ".join(causes(home))
    lines = (root / "receipt" / "PAYM" / f"{STEM}.REJ").read_text().splitlines()
    assert [line.split("|", 3)[:3] for line in lines] == [[str(number), "E406", "method"] for number in (2, 3, 4, 5)]
    again = tierline(home, "replay", "--feed", "PAYM", "--from", "2026112210", "--to", "2026112210", now=LATER)
    assert again.exit_status in (0, 3), again.err
    assert "would be refused" not in again.err
    stands(home, root, MANY_BAD, content, "PARTIAL")


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


def test_accept_of_a_file_without_one_sound_row(home: Path, root: Path) -> None:
    offer = payments(STEM, "GIFT", "GIFT")
    content = offer.put(root)
    take(home)
    tierline(home, "batch", "accept", STEM, "--why", "so it is", now=LATER)
    stands(home, root, offer, content, "PARTIAL")


@pytest.mark.parametrize("offer", [GOOD, UNKNOWN_FORMAT, replace(GOOD, size_off=1)], ids=["loaded", "E305", "E202"])
def test_accept_of_anything_else_is_a_wrong_use(home: Path, root: Path, offer: Offer) -> None:
    offer.put(root)
    take(home)
    before = [ledger(home), causes(home)]
    ran = tierline(home, "batch", "accept", STEM, "--why", "please", now=LATER)
    assert (ran.exit_status, "E501" in ran.err, STEM in ran.err) == (2, True, True)
    assert tierline(home, "batch", "accept", STEM, now=LATER).exit_status == 2, "without a reason"
    assert [ledger(home), causes(home)] == before


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
    (root / BACKUP / "PAYM_110_I_2026112210.END").unlink()  # the one file that is not the batch's
    change_schema(home, *GIFTS)
    status, _, err = replay(home)
    assert status == 0, err
    stands(home, root, ONE_BAD, content, "ACCEPTED")
    assert [each.loaded for each in ledger(home)] == [3]


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


def test_replay_names_a_damaged_archive_and_goes_on(home: Path, root: Path, taken: object) -> None:
    damaged = payments("PAYM_110_I_2026112209_0001_00", "CARD", "CASH")
    damaged.put(root)
    assert take(home).exit_status == 0
    path = home / "archive/PAYM/2026/11/22" / damaged.name
    path.chmod(0o640)
    path.write_bytes(path.read_bytes().replace(b"CARD", b"CASH"))
    status, _, err = replay(home, "2026112209", "2026112210")
    assert (status, damaged.stem in err, "backups restore" in err) == (1, True, True)
    assert {each.stem: (each.state, each.staged_count) for each in ledger(home)} == {
        STEM: ("loaded", 2), damaged.stem: ("loaded", 1),
    }  # fmt: skip
    assert in_core(home, "select count(*) from core.payment") == [(4,)]
