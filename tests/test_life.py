"""What operators may decide of a batch: retry and accept; see test_discard.py, test_replay.py (file interface, 6)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from offers import (
    FORMAT_2,
    FOUR,
    GIFTS,
    GOOD,
    MANY_BAD,
    NOW,
    STEM,
    Offer,
    as_accepted,
    causes,
    change_schema,
    files,
    ledger,
    payments,
    receipt,
    standing,
    take,
)
from running import make_home, tierline, tierline_process

from pipelines.transfer.base import Endpoint

LATER = "2026-11-22T12:30:00"
UNKNOWN_FORMAT = replace(GOOD, lines=(GOOD.lines[0].replace("H|1|", "H|2|"), *GOOD.lines[1:]))
WRONG_TOTAL = replace(GOOD, lines=(*GOOD.lines[:-1], "T|3|6001"))


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    root.mkdir()
    return make_home(tmp_path / "home", Endpoint("file", root=str(root)))


@pytest.mark.parametrize(
    ("offer", "code", "change", "loaded", "rejected"),
    [(UNKNOWN_FORMAT, "E305", FORMAT_2, 3, 0), (MANY_BAD, "E501", FOUR, 1, 4), (MANY_BAD, "E501", GIFTS, 5, 0)],
    ids=["format", "limit", "code list"],
)
def test_retry_by_a_contract_that_was_changed(
    home: Path, root: Path, offer: Offer, code: str, change: tuple[str, str, str], loaded: int, rejected: int
) -> None:
    content = offer.put(root)
    assert take(home).exit_status == 3
    assert receipt(root, STEM)[5] == code
    change_schema(home, *change)
    ran = tierline(home, "batch", "retry", STEM, "--why", "contract 2, ticket 4711", now=LATER)
    assert ran.exit_status in (0, 3), ran.out + ran.err
    assert standing(home, root) == as_accepted(offer, content, loaded, rejected)
    assert "ticket 4711" in " ".join(causes(home))


def test_retry_of_a_cycle_that_has_ended_by_now(home: Path, root: Path) -> None:
    content = GOOD.put(root)
    assert take(home, "2026-11-22T10:59:59").exit_status == 3
    assert receipt(root, STEM)[5] == "E105"
    assert tierline(home, "batch", "retry", STEM, now=NOW).exit_status == 0
    assert standing(home, root) == as_accepted(GOOD, content, 3)


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


def test_retry_that_is_refused_before_its_rows_are_read_says_so_everywhere(home: Path, root: Path) -> None:
    """The clock was wrong when it was judged, and is right now: its hour is not over."""
    MANY_BAD.put(root)
    take(home)
    assert tierline(home, "batch", "retry", STEM, now="2026-11-22T10:30:00").exit_status == 3
    (current,) = ledger(home)
    assert (current.state, current.code, receipt(root, STEM)[5]) == ("refused", "E105", "E105")
    assert current.kept_in
    assert json.loads((home / current.kept_in / f"{STEM}.reason.json").read_text())["code"] == "E105"


@pytest.mark.parametrize("number", ["1", "3"])
def test_retry_beside_one_of_the_stem_that_stands_changes_nothing(home: Path, root: Path, number: str) -> None:
    """The producer's receipt is of the one that stands, whichever came first: it must not say that it was refused."""
    WRONG_TOTAL.put(root)
    take(home)
    GOOD.put(root)
    take(home)
    MANY_BAD.put(root)
    take(home)
    assert [each.state for each in ledger(home)] == ["refused", "loaded", "refused"]
    before = [ledger(home), files(root), files(home / "quarantine")]
    ran = tierline(home, "batch", "retry", STEM, "--offering", number, now=LATER)
    assert (ran.exit_status, f"batch discard {STEM}'" in ran.err) == (2, True), ran.err
    tierline(home, "load", now=LATER)
    assert [ledger(home), files(root), files(home / "quarantine")] == before


@pytest.mark.fault(9)
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


def test_retry_of_bytes_that_were_changed_here_changes_nothing(home: Path, root: Path) -> None:
    """Damage of our copy is no fault of the producer's."""
    UNKNOWN_FORMAT.put(root)
    take(home)
    change_schema(home, *FORMAT_2)
    (path,) = (home / "quarantine").rglob("*.DAT")
    path.chmod(0o640)
    path.write_bytes(path.read_bytes().replace(b"WALLET", b"VOUCHE"))
    before = ledger(home), files(root)
    ran = tierline(home, "batch", "retry", STEM, now=LATER)
    assert (ran.exit_status, STEM in ran.err) == (1, True)
    assert (ledger(home), files(root)) == before


@pytest.mark.parametrize("fault", ["backup", "receipt"])
def test_retry_of_one_whose_move_on_the_server_was_not_noted(home: Path, root: Path, fault: str) -> None:
    content = MANY_BAD.put(root)
    tierline(home, "fetch", now=NOW)
    assert tierline_process(home, "load", now=NOW, fault=fault).returncode == -9
    change_schema(home, *FOUR)
    tierline(home, "batch", "retry", STEM, now=LATER)
    assert standing(home, root) == as_accepted(MANY_BAD, content, 1, 4)


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
    told = tierline(home, "load", now=LATER)
    is_untold = fault in ("load", "commit", "backup", "receipt")  # it was judged, and nobody had heard of the rows
    assert (told.exit_status, "1 with rejected rows" in told.out) == ((3, True) if is_untold else (0, False))
    assert standing(home, root) == as_accepted(MANY_BAD, content, 1, 4)


def test_a_killed_retry_is_taken_up_by_any_load(home: Path, root: Path) -> None:
    content = MANY_BAD.put(root)
    take(home)
    change_schema(home, *FOUR)
    assert tierline_process(home, "batch", "retry", STEM, now=LATER, fault="check").returncode == -9
    tierline(home, "load", now=LATER)
    assert standing(home, root) == as_accepted(MANY_BAD, content, 1, 4)


def test_accept_lets_through_what_the_limit_refused(home: Path, root: Path) -> None:
    content = MANY_BAD.put(root)
    take(home)
    ran = tierline(home, "batch", "accept", STEM, "--why", "known fault, ticket 4711", now=LATER)
    assert ran.exit_status in (0, 3), ran.out + ran.err
    assert standing(home, root) == as_accepted(MANY_BAD, content, 1, 4)
    (current,) = ledger(home)
    assert (current.loaded, current.rejected) == (1, 4)
    assert "known fault, ticket 4711" in " ".join(causes(home))
    lines = (root / "receipt" / "PAYM" / f"{STEM}.REJ").read_text().splitlines()
    assert [line.split("|", 3)[:3] for line in lines] == [[str(number), "E406", "method"] for number in (2, 3, 4, 5)]
    again = tierline(home, "replay", "--feed", "PAYM", "--from", "2026112210", "--to", "2026112210", now=LATER)
    assert again.exit_status in (0, 3), again.err
    assert "would be refused" not in again.err
    assert standing(home, root) == as_accepted(MANY_BAD, content, 1, 4)


def test_accept_of_a_file_without_one_sound_row(home: Path, root: Path) -> None:
    offer = payments(STEM, "GIFT", "GIFT")
    content = offer.put(root)
    take(home)
    tierline(home, "batch", "accept", STEM, "--why", "so it is", now=LATER)
    assert standing(home, root) == as_accepted(offer, content, 0, 2)


@pytest.mark.parametrize("offer", [GOOD, UNKNOWN_FORMAT, replace(GOOD, size_off=1)], ids=["loaded", "E305", "E202"])
def test_accept_of_anything_else_is_a_wrong_use(home: Path, root: Path, offer: Offer) -> None:
    offer.put(root)
    take(home)
    before = [ledger(home), causes(home)]
    ran = tierline(home, "batch", "accept", STEM, "--why", "please", now=LATER)
    assert (ran.exit_status, "E501" in ran.err, STEM in ran.err) == (2, True, True)
    assert tierline(home, "batch", "accept", STEM, now=LATER).exit_status == 2, "without a reason"
    assert [ledger(home), causes(home)] == before
