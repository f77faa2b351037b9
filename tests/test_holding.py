"""E505: a full snapshot that shrank too much ends no period until an operator accepts it (file interface, 5)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from offers import Offer, customers, in_core, in_ledger, put_end, states, take
from running import make_home, tierline

from pipelines.transfer.base import Endpoint

NOW = "2026-11-24T03:00:00"
OPEN = "select count(*) from core.customer where valid_to is null"
FIRST, SECOND, THIRD = "20261121", "20261122", "20261123"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "remote"


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


def state(home: Path, cycle: str) -> str:
    shown = json.loads(tierline(home, "cycles", "--feed", "CUST", "--cycle", cycle, "--json", now=NOW).out)
    (found,) = [each["state"] for each in shown if each["mode"] == "F"]
    return str(found)


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


def test_it_is_released_when_the_earlier_one_is_discarded(home: Path, root: Path) -> None:
    take_two(home, root, 20, 10)
    ran = tierline(home, "batch", "discard", customers(FIRST, 20).stem, "--why", "doubled", now=NOW)
    assert ran.exit_status == 0, ran.err
    assert (held(home), state(home, SECOND)) == ([], "complete")
    assert in_core(home, OPEN) == [(10,)]
    tierline(home, "load", now=NOW)
    assert not in_ledger(home, "select * from alarm where kind = 'held' and cleared_at is null")


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
