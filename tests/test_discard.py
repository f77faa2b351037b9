"""A batch that an operator takes out: what leaves, what comes back, what may be offered again (file interface, 6)."""

from __future__ import annotations

from dataclasses import replace
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
    in_ledger,
    ledger,
    payments,
    published_state,
    put_end,
    receipt,
    states,
    take,
)
from running import Run, make_home, tierline, tierline_process

from pipelines.transfer.base import Endpoint

LATER = "2026-11-22T12:30:00"
AS_OF = "2026-11-21"
SEQ = STEM.removesuffix("00")
FIRST = payments(f"{SEQ}00", "CARD", "CASH", "WALLET")
SECOND = payments(f"{SEQ}01", "BANK", "CARD")
DAY = "PAYM/2026/11/22"


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    return new_home(tmp_path / "home", root)


def new_home(home: Path, root: Path) -> Path:
    root.mkdir()
    return make_home(home, Endpoint("file", root=str(root)))


def discard(home: Path, stem: str = STEM, *words: str) -> Run:
    return tierline(home, "batch", "discard", stem, "--why", "sent by mistake, ticket 4711", *words, now=LATER)


def state_with(tmp_path: Path, *offers: Offer) -> dict[str, list[tuple[object, ...]]]:
    """The published state of a home that only ever saw these, and the end file of the first."""
    root = tmp_path / "alone_remote"
    home = new_home(tmp_path / "alone", root)
    for offer in offers:
        offer.put(root)
    put_end(root, offers[0])
    take(home)
    return publish(home)


def publish(home: Path) -> dict[str, list[tuple[object, ...]]]:
    for words in (("build", "--as-of", AS_OF), ("publish", "--republish")):
        ran = tierline(home, *words, now=LATER)
        assert ran.exit_status == 0, ran.err
    return published_state(home)


def put_aside(root: Path, name: str) -> list[str]:
    """Where the server holds a file of this name as one that does not stand."""
    return [path for path in files(root) if path.endswith(f"-{name}") and "/refused/" in path]


def is_out(home: Path, root: Path, offer: Offer, content: bytes) -> None:
    """A discarded batch: no rows, the bytes in quarantine and aside on the server, a receipt with the reason."""
    assert in_core(home, "select count(*) from core.payment") == [(0,)]
    (batch,) = ledger(home)
    assert (batch.state, batch.kept_in) == ("discarded", f"quarantine/{DAY}/000001")
    assert (home / batch.kept_in / offer.name).read_bytes() == content
    assert (home / batch.kept_in / f"{offer.stem}.CHK").exists()
    assert not files(home / "archive").keys() & {f"{DAY}/{offer.name}"}
    said = receipt(root, offer.stem)
    assert (said[1], said[3], "ticket 4711" in said[6]) == ("REFUSED", "0", True)
    assert not (root / "receipt" / "PAYM" / f"{offer.stem}.REJ").exists()
    assert [content] == [(root / path).read_bytes() for path in put_aside(root, offer.name)]
    assert not list((root / "outgoing").rglob("*.DAT"))
    assert not (root / "backup/20261122/PAYM" / offer.name).exists()


def test_the_only_version_leaves_and_its_cycle_stays_complete(home: Path, root: Path) -> None:
    content = FIRST.put(root)
    put_end(root, FIRST)
    take(home)
    assert in_core(home, "select count(*) from core.payment") == [(3,)]
    assert discard(home).exit_status == 0
    is_out(home, root, FIRST, content)
    for _ in range(2):
        take(home, "2026-11-22T14:00:00")
    shown = tierline(home, "cycles", "--cycle", "2026112210", "--state", "complete", "--json", now=LATER)
    assert '"2026112210"' in shown.out
    assert not (root / "request").exists()
    assert discard(home).exit_status == 2, "nothing is left to take out"


@pytest.mark.parametrize("fault", ["", "commit", "backup", "receipt"])
def test_discard_before_the_batch_was_loaded_or_acknowledged(home: Path, root: Path, fault: str) -> None:
    content = FIRST.put(root)
    put_end(root, FIRST)
    tierline(home, "fetch", now=NOW)
    if fault:
        assert tierline_process(home, "load", now=NOW, fault=fault).returncode == -9
    assert discard(home).exit_status == 0
    is_out(home, root, FIRST, content)
    assert take(home, LATER).exit_status == 0
    assert not (root / "request").exists()


@pytest.mark.parametrize("fault", ["claim", "download", "verify", "archive"])
def test_discard_of_a_batch_whose_fetch_broke_off_loses_no_bytes(home: Path, root: Path, fault: str) -> None:
    """Rule 7: nothing is moved on the server before its bytes are kept here."""
    content = FIRST.put(root)
    assert tierline_process(home, "fetch", now=NOW, fault=fault).returncode == -9
    discard(home)
    take(home, LATER)
    kept = files(home / "archive") | files(home / "quarantine")
    assert content in kept.values() or (root / "outgoing" / "PAYM" / FIRST.name).exists()


@pytest.mark.parametrize("fault", ["load", "commit", "backup", "receipt"])
def test_a_discard_that_was_killed_ends_the_same(home: Path, root: Path, fault: str) -> None:
    content = FIRST.put(root)
    take(home)
    killed = tierline_process(home, "batch", "discard", STEM, "--why", "ticket 4711", now=LATER, fault=fault)
    assert killed.returncode == -9, killed.stderr
    tierline(home, "load", now=LATER)
    is_out(home, root, FIRST, content)


def test_the_version_below_comes_back_as_if_the_newer_had_never_come(tmp_path: Path, home: Path, root: Path) -> None:
    """Rule 3 turned round; a discarded one never was."""
    content = FIRST.put(root)
    put_end(root, FIRST)
    take(home)
    SECOND.put(root)
    take(home)
    assert states(home) == [("0001_00", "superseded", None), ("0001_01", "loaded", None)]
    assert in_core(home, "select count(*) from core.payment") == [(2,)]
    ran = discard(home, SECOND.stem)
    assert (ran.exit_status, f"{STEM}: comes back" in ran.out) == (0, True), ran.err
    assert states(home) == [("0001_00", "loaded", None), ("0001_01", "discarded", None)]
    assert publish(home) == state_with(tmp_path, FIRST)
    assert (receipt(root, STEM)[1], receipt(root, SECOND.stem)[1]) == ("ACCEPTED", "REFUSED")
    assert (root / "backup/20261122/PAYM" / FIRST.name).read_bytes() == content
    assert len(put_aside(root, SECOND.name)) == 1


@pytest.mark.fault(12)
def test_a_stale_version_comes_back(tmp_path: Path, home: Path, root: Path) -> None:
    SECOND.put(root)
    take(home)
    content = FIRST.put(root)
    assert take(home).exit_status == 3
    assert states(home) == [("0001_01", "loaded", None), ("0001_00", "superseded", "E504")]
    assert (receipt(root, STEM)[1], receipt(root, STEM)[5]) == ("REFUSED", "E504")
    discard(home, SECOND.stem)
    put_end(root, FIRST)
    take(home, LATER)
    assert states(home) == [("0001_01", "discarded", None), ("0001_00", "loaded", None)]
    assert receipt(root, STEM)[1:6] == ["ACCEPTED", "3", "3", "0", ""]
    assert (root / "backup/20261122/PAYM" / FIRST.name).read_bytes() == content
    assert not put_aside(root, FIRST.name)
    assert publish(home) == state_with(tmp_path, FIRST)


def test_a_version_that_comes_back_and_is_refused_lets_the_next_below_come_back(home: Path, root: Path) -> None:
    newest = payments(f"{SEQ}02", "CARD")
    for offer in (FIRST, payments(f"{SEQ}01", "GIFT", "CARD"), newest):
        offer.put(root)
        take(home)
    change_schema(home, "feeds/PAYM.yaml", "{rows: 3, share: 0.001}", "{rows: 0, share: 0}")
    discard(home, newest.stem)
    tierline(home, "load", now=LATER)
    assert states(home) == [("0001_00", "loaded", None), ("0001_01", "refused", "E501"), ("0001_02", "discarded", None)]
    assert in_core(home, "select count(*) from core.payment") == [(3,)]
    assert receipt(root, STEM)[1] == "ACCEPTED"
    assert receipt(root, f"{SEQ}01")[1:6:4] == ["REFUSED", "E501"]


def test_discard_of_a_superseded_version_leaves_what_stands(home: Path, root: Path) -> None:
    for offer in (FIRST, SECOND):
        offer.put(root)
        take(home)
    assert discard(home).exit_status == 0
    assert states(home) == [("0001_00", "discarded", None), ("0001_01", "loaded", None)]
    assert in_core(home, "select count(*) from core.payment") == [(2,)]
    discard(home, SECOND.stem)
    assert [state for _, state, _ in states(home)] == ["discarded", "discarded"]
    assert in_core(home, "select count(*) from core.payment") == [(0,)]


@pytest.mark.parametrize("methods", [("BANK", "BANK"), ("CARD", "CASH", "WALLET")], ids=["other bytes", "same bytes"])
def test_a_discarded_stem_may_be_offered_again(home: Path, root: Path, methods: tuple[str, ...]) -> None:
    former = FIRST.put(root)
    take(home)
    discard(home)
    offer = payments(STEM, *methods)
    content = offer.put(root)
    assert take(home, LATER).exit_status == 0
    assert states(home) == [("0001_00", "discarded", None), ("0001_00", "loaded", None)]
    assert (home / "archive" / DAY / offer.name).read_bytes() == content
    assert (home / "quarantine" / DAY / "000001" / offer.name).read_bytes() == former
    assert in_core(home, "select count(*) from core.payment") == [(len(methods),)]
    assert receipt(root, STEM)[1:4] == ["ACCEPTED", str(len(methods)), str(len(methods))]
    assert (root / "backup/20261122/PAYM" / offer.name).read_bytes() == content
    assert [(root / path).read_bytes() for path in put_aside(root, offer.name)] == [former]


def test_a_stem_offered_again_before_the_discard_was_acknowledged(home: Path, root: Path) -> None:
    """The server could not be reached meanwhile: what is discarded makes way for what came in its place."""
    former = FIRST.put(root)
    take(home)
    killed = tierline_process(home, "batch", "discard", STEM, "--why", "ticket", now=LATER, fault="commit")
    assert killed.returncode == -9
    offer = payments(STEM, "BANK", "BANK")
    content = offer.put(root)
    for _ in range(2):
        take(home, LATER)
    assert states(home) == [("0001_00", "discarded", None), ("0001_00", "loaded", None)]
    assert receipt(root, STEM)[1:4] == ["ACCEPTED", "2", "2"]
    assert (root / "backup/20261122/PAYM" / offer.name).read_bytes() == content
    assert [(root / path).read_bytes() for path in put_aside(root, offer.name)] == [former]


@pytest.mark.fault(9)
def test_an_operator_may_let_the_other_bytes_of_a_stem_stand(home: Path, root: Path) -> None:
    """Fault 9: same stem, other bytes; both are kept, and an operator decides."""
    former = FIRST.put(root)
    take(home)
    other = payments(STEM, "BANK", "BANK")
    content = other.put(root)
    assert take(home, LATER).exit_status == 3
    assert states(home)[1] == ("0001_00", "refused", "E503")
    assert in_ledger(home, "select subject from alarm where kind = 'refused' and cleared_at is null") == [(STEM,)]
    assert discard(home).exit_status == 0
    assert tierline(home, "batch", "retry", STEM, "--why", "the province says so", now=LATER).exit_status == 0
    assert states(home) == [("0001_00", "discarded", None), ("0001_00", "loaded", None)]
    assert in_core(home, "select count(*), min(method) from core.payment") == [(2, "BANK")]
    assert (home / "archive" / DAY / other.name).read_bytes() == content
    assert (home / "quarantine" / DAY / "000001" / other.name).read_bytes() == former
    assert (root / "backup/20261122/PAYM" / other.name).read_bytes() == content
    assert [(root / path).read_bytes() for path in put_aside(root, other.name)] == [former]
    assert receipt(root, STEM)[1] == "ACCEPTED"
    assert not in_ledger(home, "select subject from alarm where kind = 'refused' and cleared_at is null")


def test_an_earlier_offering_that_was_refused_may_stand_in_place_of_a_later_one(home: Path, root: Path) -> None:
    """On the server, what was discarded makes way first, whichever came first."""
    refused = payments(STEM, "GIFT", "GIFT", "GIFT", "GIFT", "CARD").put(root)
    take(home)
    later = FIRST.put(root)
    take(home)
    killed = tierline_process(home, "batch", "discard", STEM, "--why", "ticket", now=LATER, fault="commit")
    assert killed.returncode == -9
    ran = tierline(home, "batch", "accept", STEM, "--why", "ticket", now=LATER)
    assert ran.exit_status in (0, 3), ran.err
    assert states(home) == [("0001_00", "loaded", None), ("0001_00", "discarded", None)]
    assert (root / "backup/20261122/PAYM" / FIRST.name).read_bytes() == refused
    assert [(root / path).read_bytes() for path in put_aside(root, FIRST.name)] == [later]
    assert receipt(root, STEM)[1:5] == ["PARTIAL", "5", "1", "4"]


def test_an_older_one_that_is_accepted_beside_a_newer_comes_back_in_its_place(home: Path, root: Path) -> None:
    payments(STEM, "GIFT", "GIFT", "GIFT", "GIFT", "CARD").put(root)
    take(home)
    newer = payments(f"{STEM[:-2]}01", "CARD", "CASH")
    newer.put(root)
    take(home)
    ran = tierline(home, "batch", "accept", STEM, "--why", "ticket", now=LATER)
    assert ran.exit_status == 3
    assert f"{STEM}: superseded, E504: version 01 of this SEQ was accepted before; it is kept" in ran.out + ran.err
    assert in_core(home, "select count(*) from core.payment where is_current") == [(2,)]
    assert f"{STEM}: comes back" in discard(home, newer.stem).out
    assert in_core(home, "select count(*) from core.payment where is_current") == [(1,)]


@pytest.mark.parametrize("offer", [replace(GOOD, size_off=1), payments(STEM, "GIFT")], ids=["E202", "E501"])
def test_a_refused_one_may_be_discarded(home: Path, root: Path, offer: Offer) -> None:
    content = offer.put(root)
    assert take(home).exit_status == 3
    assert discard(home).exit_status == 0
    is_out(home, root, offer, content)
    assert not in_ledger(home, "select * from alarm where kind = 'refused' and cleared_at is null")


@pytest.mark.parametrize("words", [(), ("--why", "x", "--offering", "2")], ids=["no reason", "no such offering"])
def test_a_wrong_use_changes_nothing(home: Path, root: Path, words: tuple[str, ...]) -> None:
    FIRST.put(root)
    take(home)
    before = ledger(home), files(root), files(home / "archive")
    assert tierline(home, "batch", "discard", STEM, *words, now=LATER).exit_status == 2
    assert (ledger(home), files(root), files(home / "archive")) == before
