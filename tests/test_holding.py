"""E505: a full snapshot that shrank too much ends no period until an operator accepts it (file interface, 5)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from offers import Offer, batch, customers, in_core, in_ledger, put_end, states, take
from running import make_home, tierline

from pipelines.transfer.base import Endpoint

NOW = "2026-11-24T03:00:00"
OPEN = "select count(*) from core.customer where valid_to is null"
FIRST, SECOND, THIRD = "20261121", "20261122", "20261123"


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    root.mkdir()
    return make_home(tmp_path / "home", Endpoint("file", root=str(root)))


def offer(root: Path, *offers: Offer) -> None:
    for each in offers:
        each.put(root)
    put_end(root, *offers)


def held(home: Path) -> list[str]:
    """The cycles that `cycles --state held` lists."""
    shown = json.loads(tierline(home, "cycles", "--state", "held", "--json", now=NOW).out)
    assert all("E505" in each["reason"] for each in shown)
    return [each["cycle"] for each in shown]


def shown(home: Path, cycle: str) -> list[dict[str, str]]:
    found = json.loads(tierline(home, "cycles", "--feed", "CUST", "--cycle", cycle, "--json", now=NOW).out)
    return [each for each in found if each["mode"] == "F"]


def state(home: Path, cycle: str) -> str:
    (found,) = shown(home, cycle)
    return found["state"]


def changes(root: Path, cycle: str, count: int) -> None:
    """Customers by an increment."""
    snapshot = customers(cycle, count)
    batch(snapshot.stem.replace("_F_", "_I_"), snapshot.lines[1:-1]).put(root)


def accept(home: Path, cycle: str, *words: str) -> int:
    words = words or ("--why", "dormant numbers were closed, ticket 4711")
    return tierline(home, "cycles", "accept", "CUST", "110", cycle, *words, now=NOW).exit_status


def take_two(home: Path, root: Path, first: int, second: int) -> None:
    offer(root, customers(FIRST, first))
    take(home, NOW)
    offer(root, customers(SECOND, second))
    take(home, NOW)


@pytest.mark.parametrize(
    ("former", "count", "expected"), [(20, 19, "complete"), (20, 18, "held"), (40, 38, "complete"), (40, 37, "held"),
                                      (19, 18, "held"), (18, 40, "complete")],
)  # fmt: skip
def test_a_drop_up_to_the_limit_is_complete(home: Path, root: Path, former: int, count: int, expected: str) -> None:
    """Not below those of the earlier one by more than 5 %: exactly 5 % is not more."""
    take_two(home, root, former, count)
    assert state(home, SECOND) == expected
    assert in_core(home, OPEN) == [(max(former, count) if expected == "held" else count,)]
    assert {code for _, _, code in states(home)} == {None}, "a held cycle refuses nothing"


def test_an_operator_lets_a_held_one_through(home: Path, root: Path) -> None:
    take_two(home, root, 20, 10)
    assert held(home) == [SECOND]
    assert in_ledger(home, "select kind, subject from alarm where cleared_at is null") == [
        ("held", f"CUST_110_F_{SECOND}")
    ]
    for _ in range(2):
        take(home, NOW)
    assert in_ledger(home, "select count(*) from alarm where kind = 'held'") == [(1,)]
    assert in_core(home, "select count(distinct customer_id) from core.customer") == [(20,)]
    assert accept(home, SECOND) == 0
    tierline(home, "load", now=NOW)
    assert in_core(home, OPEN) == [(10,)]
    assert (held(home), state(home, SECOND)) == ([], "complete")
    assert in_ledger(home, "select cycle, cause from cycle_acceptance") == [
        (SECOND, "dormant numbers were closed, ticket 4711")
    ]
    assert in_ledger(home, "select actor from cycle_acceptance") != [("",)]
    assert not in_ledger(home, "select * from alarm where cleared_at is null")


@pytest.mark.parametrize("cycle", [FIRST, THIRD, "20261131", SECOND])
def test_accept_of_one_that_is_not_held_is_a_wrong_use(home: Path, root: Path, cycle: str) -> None:
    take_two(home, root, 20, 10)
    words = () if cycle == SECOND else ("--why", "x")
    if cycle == SECOND:
        ran = tierline(home, "cycles", "accept", "CUST", "110", SECOND, now=NOW)
        assert ran.exit_status == 2, "without a reason"
    else:
        assert accept(home, cycle, *words) == 2
    assert not in_ledger(home, "select * from cycle_acceptance")
    assert held(home) == [SECOND]


def test_a_new_version_of_an_accepted_one_is_judged_anew(home: Path, root: Path) -> None:
    take_two(home, root, 20, 10)
    accept(home, SECOND)
    tierline(home, "load", now=NOW)
    customers(SECOND, 9, version="01").put(root)
    take(home, NOW)
    assert held(home) == [SECOND]
    assert in_core(home, OPEN) == [(20,)], "what the former version ended goes on"
    customers(SECOND, 20, version="02").put(root)
    take(home, NOW)
    assert (held(home), in_core(home, OPEN)) == ([], [(20,)])


def discard(home: Path, offer: Offer) -> str:
    ran = tierline(home, "batch", "discard", offer.stem, "--why", "sent twice", now=NOW)
    assert ran.exit_status == 0, ran.err
    return ran.out


def test_it_stays_held_when_the_only_earlier_one_is_discarded(home: Path, root: Path) -> None:
    """That its rows were wrong does not say that whoever the next one leaves out has gone; somebody has to."""
    take_two(home, root, 20, 10)
    assert "ended by absence" not in discard(home, customers(FIRST, 20))
    assert (held(home), in_core(home, OPEN)) == ([SECOND], [(10,)])
    assert in_ledger(home, "select count(*) from alarm where kind = 'held' and cleared_at is null") == [(1,)]
    (said,) = shown(home, SECOND)
    assert said["reason"] == f"E505: 10 records, 20 in the discarded snapshot of {FIRST}"
    assert accept(home, SECOND) == 0
    tierline(home, "load", now=NOW)
    assert held(home) == []


def test_one_that_is_sent_in_the_place_of_a_discarded_one_is_the_measure_again(home: Path, root: Path) -> None:
    take_two(home, root, 20, 10)
    discard(home, customers(FIRST, 20))
    customers(FIRST, 10).put(root)
    put_end(root, customers(FIRST, 10))
    ran = tierline(home, "fetch", now=NOW), tierline(home, "load", now=NOW)
    assert (held(home), state(home, SECOND)) == ([], "complete"), ran
    assert f"no longer held, and not by 'cycles accept': CUST_110_F_{SECOND}" in ran[1].out
    assert "no longer held" not in tierline(home, "load", now=NOW).out, "said once"


def test_one_that_is_released_by_a_discard_is_said_with_whom_it_ends(home: Path, root: Path) -> None:
    """An earlier one that stands is the measure again: it says that nothing shrank."""
    take_two(home, root, 12, 30)
    offer(root, customers(THIRD, 7), customers(THIRD, 5, seq="0002"))
    take(home, NOW)
    assert (held(home), in_core(home, OPEN)) == ([THIRD], [(35,)])
    said = discard(home, customers(SECOND, 30))
    assert f"no longer held, and not by 'cycles accept': CUST_110_F_{THIRD}" in said
    assert f"  5 ended by absence from the snapshot CUST 110 {THIRD}\n" in said
    assert in_core(home, OPEN) == [(12,)]
    assert not in_ledger(home, "select * from alarm where kind = 'held' and cleared_at is null")


def test_whom_the_first_snapshot_after_increments_ends_is_counted(home: Path, root: Path) -> None:
    changes(root, FIRST, 20)
    take(home, NOW)
    offer(root, customers(SECOND, 3))
    tierline(home, "fetch", now=NOW)
    ran = tierline(home, "load", now=NOW)
    assert f"  17 ended by absence from the snapshot CUST 110 {SECOND}\n" in ran.out
    assert in_core(home, OPEN) == [(3,)]
    customers(SECOND, 2, version="01").put(root)
    tierline(home, "fetch", now=NOW)
    ran = tierline(home, "load", now=NOW)
    assert f"  1 ended by absence from the snapshot CUST 110 {SECOND}\n" in ran.out, "those of before are not said anew"
    assert "ended" not in tierline(home, "load", now=NOW).out


def test_the_word_is_about_the_bytes_and_goes_with_a_discard(home: Path, root: Path) -> None:
    take_two(home, root, 20, 10)
    accept(home, SECOND)
    tierline(home, "load", now=NOW)
    replayed = tierline(home, "replay", "--feed", "CUST", "--from", SECOND, "--to", SECOND, now=NOW)
    assert (replayed.exit_status, held(home)) == (0, []), "the same bytes"
    second = customers(SECOND, 10)
    for count in (7, 10):
        discard(home, second)
        offer(root, customers(SECOND, count))
        take(home, NOW)
        assert (held(home), in_core(home, OPEN)) == ([SECOND], [(20,)])


def test_a_version_that_comes_back_has_its_own_word(home: Path, root: Path) -> None:
    take_two(home, root, 20, 10)
    accept(home, SECOND)
    newer = customers(SECOND, 9, version="01")
    newer.put(root)
    take(home, NOW)
    assert held(home) == [SECOND]
    discard(home, newer)
    assert (held(home), in_core(home, OPEN)) == ([], [(10,)])


def test_who_let_it_through_when_and_why_is_shown(home: Path, root: Path) -> None:
    take_two(home, root, 20, 10)
    stem = customers(SECOND, 10).stem
    story = tierline(home, "batch", "show", stem, now=NOW).out
    assert f"  held              E505: 10 records, 20 in the snapshot of {FIRST}\n" in story
    assert "  what to do        Ask the producer; then 'cycles accept'" in story
    assert f"tierline cycles accept CUST 110 {SECOND}" in in_ledger(home, "select message from alarm")[0][0]
    assert accept(home, SECOND) == 0
    (found,) = shown(home, SECOND)
    ((actor,),) = in_ledger(home, "select actor from cycle_acceptance")
    word = f"{actor}, 2026-11-24 03:00:00: dormant numbers were closed, ticket 4711"
    assert found["let_through"] == word
    (described,) = json.loads(tierline(home, "batch", "show", stem, "--json", now=NOW).out)
    assert (described["held"], described["let_through"]) == (None, word)


@pytest.mark.parametrize(
    ("feed", "cycle", "found"),
    [("CUST", "2026112", "cycle 2026112: expected one of CUST, which is daily: YYYYMMDD, such as 20261122"),
     ("CUST", "20261101", "found none of this cycle"), ("CUST", FIRST, "found one that is complete"),
     ("CUST", SECOND, "found one that was accepted already by "), ("CONT", FIRST, "found none of this cycle")],
)  # fmt: skip
def test_accept_of_one_that_is_not_held_says_what_it_is(
    home: Path, root: Path, feed: str, cycle: str, found: str
) -> None:
    take_two(home, root, 20, 10)
    accept(home, SECOND)
    ran = tierline(home, "cycles", "accept", feed, "110", cycle, "--why", "x", now=NOW)
    assert (ran.exit_status, found in ran.err) == (2, True), ran.err


def test_a_held_one_serves_as_the_earlier_for_the_next(home: Path, root: Path) -> None:
    take_two(home, root, 20, 10)
    offer(root, customers(THIRD, 10))
    take(home, NOW)
    assert (held(home), state(home, THIRD)) == ([SECOND], "complete")
    assert in_core(home, OPEN) == [(10,)]


def test_any_order_of_snapshots_ends_the_same(home: Path, root: Path) -> None:
    """A function of the snapshots known: one that comes late holds the newer, and what that ended goes on."""
    offer(root, customers(SECOND, 10))
    take(home, NOW)
    assert (held(home), in_core(home, OPEN)) == ([], [(10,)])
    offer(root, customers(FIRST, 20))
    take(home, NOW)
    assert (held(home), in_core(home, OPEN)) == ([SECOND], [(20,)])


def test_all_files_of_a_snapshot_count_and_only_once_all_are_there(home: Path, root: Path) -> None:
    parts = customers(FIRST, 10), customers(FIRST, 10, seq="0002")
    offer(root, *parts)
    take(home, NOW)
    first, second = customers(SECOND, 10), customers(SECOND, 9, seq="0002")
    offer(root, first, second)
    for path in (root / "outgoing" / "CUST").glob(f"{second.stem}.*"):
        path.unlink()
    take(home, NOW)
    assert (held(home), in_core(home, OPEN)) == ([], [(20,)]), "an open cycle is not judged, and ends nothing"
    second.put(root)
    take(home, NOW)
    assert (held(home), in_core(home, OPEN)) == ([], [(19,)])


def test_declared_records_count_not_those_that_were_sound(home: Path, root: Path) -> None:
    offer(root, customers(FIRST, 20))
    take(home, NOW)
    second = customers(SECOND, 20)
    bad = tuple(line.replace("|B|N|Y|", "|?|N|Y|") if "00003|" in line or "00004|" in line else line
                for line in second.lines)  # fmt: skip
    offer(root, Offer(second.stem, bad, records=20))
    assert take(home, NOW).exit_status == 3
    assert (held(home), in_core(home, OPEN)) == ([], [(20,)]), "a rejected record ends nobody's period"


@pytest.mark.parametrize("seqs", [["0002"], ["0001", "0002"]], ids=["a file", "all"])
def test_a_snapshot_of_which_files_were_discarded_is_not_judged_and_ends_nothing(
    home: Path, root: Path, seqs: list[str]
) -> None:
    offer(root, customers(FIRST, 10), customers(FIRST, 10, seq="0002"))
    offer(root, customers(SECOND, 10), customers(SECOND, 10, seq="0002"))
    take(home, NOW)
    for seq in seqs:
        stem = customers(SECOND, 10, seq=seq).stem
        assert tierline(home, "batch", "discard", stem, "--why", "doubled", now=NOW).exit_status == 0
    assert (held(home), state(home, SECOND), in_core(home, OPEN)) == ([], "complete", [(20,)])
    offer(root, customers(THIRD, 10))
    take(home, NOW)
    assert held(home) == [THIRD], "the nearest whole one before it is that of the first day"
    assert in_core(home, OPEN) == [(20,)]
