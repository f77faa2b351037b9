"""The ledger of deliveries, delivery on demand, and receipts; ledgers from before there were deliveries."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest
from offers import in_ledger
from receivers import (
    NOW,
    PEOPLE,
    TIER,
    alarms,
    deliver,
    files_below,
    home_with,
    ledger_of,
    publish,
    receiver,
    set_receivers,
    states,
)
from running import tierline
from test_ledger import Place
from test_ledger_growth import execute, shape, version_of

from pipelines.ledger.deliveries import DeliveryState, deliveries
from pipelines.ledger.store import VERSION
from pipelines.transfer.base import Endpoint

LATER = "TIER_110_F_20261122_0001_00"
NUMBER = "13900000811"


@pytest.fixture
def acd(tmp_path: Path) -> Path:
    (tmp_path / "acd").mkdir()
    return tmp_path / "acd"


@pytest.fixture
def home(tmp_path: Path, acd: Path) -> Path:
    return home_with(tmp_path, receiver("acd", Endpoint("file", root=str(acd)), "receipts: true"))


def put_receipt(acd: Path, status: str, stem: str = TIER, reason: str = "", at: str = "20261122120500") -> Path:
    path = acd / "receipt" / "TIER" / f"{stem}.RCP"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{stem}.DAT|{status}|3|2|1||{reason}|{at}\n")
    return path


# The ledger.


def test_the_ledger_shows_who_has_which_list(home: Path) -> None:
    publish(home, TIER)
    deliver(home)
    publish(home, LATER, as_of="2026-11-22")
    deliver(home, "--receiver", "acd")
    shown = tierline(home, "deliveries", "--json", "--state", "delivered", now=NOW)
    rows = json.loads(shown.out)
    assert [(row["receiver"], row["stem"], row["publication_id"], row["attempts"]) for row in rows] == [
        ("acd", TIER, "20261121-000001", 1),
        ("acd", LATER, "20261122-000002", 1),
    ]
    assert rows[0]["digest"].startswith("sha256:")
    assert rows[0]["bytes"] == (home / "publish" / "TIER" / f"{TIER}.DAT").stat().st_size
    assert json.loads(tierline(home, "deliveries", "--json", "--state", "failed", now=NOW).out) == []
    assert json.loads(tierline(home, "deliveries", "--json", "--cycle", "20261122", now=NOW).out) == rows[1:]
    (story,) = json.loads(tierline(home, "deliveries", "show", TIER, "--json", now=NOW).out)
    assert [event["state"] for event in story["states"]] == ["due", "delivered"]
    assert all(event["cause"] and event["actor"] and event["at"] for event in story["states"])
    assert "20261121-000001" in tierline(home, "deliveries", "show", TIER, now=NOW).out
    with ledger_of(home) as store, store.reading() as connection:
        assert [each.state for each in deliveries(connection)] == [DeliveryState.DELIVERED] * 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["deliver", "--receiver", "ivr"], "expected one of acd"),
        (["deliver", "--list", "TEIR"], "expected one of TIER, WARN"),
        (["deliver", "--source", "440"], "expected one of 110"),
        (["deliver", "--cycle", "2026-11-21"], "expected YYYYMM"),
        (["deliver", "--replace"], "expected together with --again"),
        (["deliveries", "--state", "lost"], "lost"),
        (["deliveries", "show", LATER], " deliveries' lists them"),
    ],
)
def test_wrong_words_are_answered_with_what_to_do(home: Path, words: list[str], says: str) -> None:
    ran = tierline(home, *words, now=NOW)
    assert (ran.exit_status, says in " ".join(ran.err.split())) == (2, True), ran.err


def test_a_receiver_that_another_process_delivers_to_is_left_to_it(home: Path, acd: Path) -> None:
    publish(home, TIER)
    (home / "locks").mkdir(exist_ok=True)
    with (home / "locks" / "deliver-acd.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ran = deliver(home)
    assert (ran.exit_status, "another process" in ran.out) == (0, True)
    assert files_below(acd) == {}
    assert deliver(home).exit_status == 0
    assert len(files_below(acd)) == 3


def test_a_list_for_an_earlier_day_goes_to_no_receiver(home: Path, acd: Path) -> None:
    publish(home, LATER, as_of="2026-11-22")
    publish(home, TIER, as_of="2026-11-21")
    assert deliver(home, "--again", "--cycle", "20261121", "--cycle", "20261122").exit_status == 0
    assert states(home) == {f"acd {LATER}": "delivered"}
    assert len(files_below(acd)) == 3


def test_what_a_receiver_is_to_have_follows_the_configuration(home: Path, acd: Path) -> None:
    here, warn = Endpoint("file", root=str(acd)), TIER.replace("TIER", "WARN")
    publish(home, TIER, warn)
    set_receivers(home, receiver("acd", Endpoint("file", root=str(acd / "gone")), lists="[TIER, WARN]"))
    ran = deliver(home)
    assert (ran.exit_status, f"receiver acd: {TIER}, {warn}: file://" in ran.err) == (1, True)
    assert states(home) == {f"acd {TIER}": "failed", f"acd {warn}": "failed"}
    set_receivers(home, receiver("ivr", here, lists="[CALL]"))
    assert deliver(home).exit_status == 0
    assert set(states(home).values()) == {"superseded"}
    assert alarms(home) == [("delivery", "acd", False)]
    set_receivers(home, receiver("acd", here))
    assert deliver(home).exit_status == 0
    assert states(home) == {f"acd {TIER}": "delivered", f"acd {warn}": "superseded"}


def test_a_ledger_from_before_there_were_deliveries_is_brought_along(home: Path, tmp_path: Path) -> None:
    place, fresh = (Place(f"sqlite:///{path / 'ledger.sqlite'}", None) for path in (home, tmp_path))
    for each in (place, fresh):
        with each.open():
            pass
    execute(place, "drop table delivery_event", "drop table delivery", "update ledger_version set version = 3")
    publish(home, TIER)
    assert deliver(home).exit_status == 0
    assert (version_of(place), shape(place)) == ([f"({VERSION},)"], shape(fresh))


# On demand.


def test_a_list_is_delivered_again_on_demand(home: Path, acd: Path) -> None:
    made = publish(home, TIER)
    deliver(home)
    made |= publish(home, LATER, as_of="2026-11-22", people=PEOPLE[:1])
    deliver(home)
    assert files_below(acd) == made
    for words, lists in ((["--list", "WARN"], 0), ([], 1), (["--cycle", "20261121"], 1)):
        for path in (acd / "TIER").iterdir():
            path.unlink()
        assert f"deliver: {lists} lists delivered" in deliver(home, "--again", *words).out
        assert set(states(home).values()) == {"delivered"}
        assert files_below(acd).keys() == {path for path in made if lists and ("1121" in path) == bool(words)}
    assert files_below(acd).items() <= made.items()


@pytest.mark.fault(24)
def test_other_bytes_under_the_name_are_replaced_on_demand_only(home: Path, acd: Path) -> None:
    made = publish(home, TIER)
    assert deliver(home).exit_status == 0
    for name in (f"{TIER}.DAT", f"{TIER}.CHK", "TIER_110_F_20261121.END"):
        (acd / "TIER" / name).write_text("x" * len(made[f"TIER/{name}"]))
        for words in (["--again"], []):
            ran = deliver(home, *words)
            assert (ran.exit_status, f"receiver acd: {TIER}: TIER/{name}: expected none" in ran.err) == (1, True)
            assert set((acd / "TIER" / name).read_text()) == {"x"}
            assert [each for each in alarms(home) if each[2]] == [("delivery", f"acd {TIER}", True)]
        assert deliver(home, "--again", "--replace").exit_status == 0
        assert files_below(acd) == made
        assert not any(is_open for _, _, is_open in alarms(home))
    assert len(alarms(home)) == 3


# Receipts.


@pytest.mark.parametrize(
    ("status", "state", "exit_status"),
    [("ACCEPTED", "accepted", 0), ("DUPLICATE", "accepted", 0), ("PARTIAL", "partial", 3), ("REFUSED", "refused", 3)],
)
def test_a_receipt_decides_the_state(home: Path, acd: Path, status: str, state: str, exit_status: int) -> None:
    publish(home, TIER)
    deliver(home)
    assert states(home) == {f"acd {TIER}": "delivered"}
    path = put_receipt(acd, status, reason=f"no such number {NUMBER}")
    ran = deliver(home)
    assert (ran.exit_status, states(home)) == (exit_status, {f"acd {TIER}": state})
    assert path.exists()
    assert alarms(home) == ([("receipt", f"acd {TIER}", True)] if state == "refused" else [])
    told = (home / "ledger.sqlite").read_bytes() + ran.out.encode() + ran.err.encode()
    assert (NUMBER.encode() in told, b"139****0811" in told) == (False, True)
    assert deliver(home).exit_status == 0


@pytest.mark.parametrize(
    "line", ["", "x", f"{LATER}.DAT|ACCEPTED|1|1|0|||x", f"{TIER}.DAT|GOOD|1|1|0|||x", "x" * 9_000]
)
def test_what_is_no_receipt_of_the_list_says_nothing(home: Path, acd: Path, line: str) -> None:
    publish(home, TIER)
    put_receipt(acd, "").write_text(line)
    assert deliver(home).exit_status == 0
    assert states(home) == {f"acd {TIER}": "delivered"}


def test_a_receipt_that_does_not_come_raises_one_alarm(home: Path, acd: Path) -> None:
    publish(home, TIER)
    deliver(home, now="2026-11-22T12:00:00")
    for now, count in (("2026-11-23T11:59:59", 0), ("2026-11-23T12:00:00", 1), ("2026-11-24T12:00:00", 1)):
        assert deliver(home, now=now).exit_status == 0
        assert alarms(home) == [("receipt", f"acd {TIER}", True)] * count
    put_receipt(acd, "ACCEPTED")
    deliver(home, now="2026-11-24T13:00:00")
    assert alarms(home) == [("receipt", f"acd {TIER}", False)]


def test_the_receipt_of_an_earlier_delivery_does_not_speak_for_the_next(home: Path, acd: Path) -> None:
    publish(home, TIER)
    deliver(home)
    put_receipt(acd, "REFUSED")
    assert deliver(home).exit_status == 3
    assert deliver(home, "--again").exit_status == 0
    assert states(home) == {f"acd {TIER}": "delivered"}
    put_receipt(acd, "ACCEPTED", at="20261122130000")
    deliver(home)
    assert states(home) == {f"acd {TIER}": "accepted"}
    assert [event for (event,) in in_ledger(home, "select state from delivery_event order by event_id")] == [
        "due", "delivered", "refused", "due", "delivered", "accepted",
    ]  # fmt: skip


def test_a_newer_list_ends_the_alarm_about_the_former(home: Path, acd: Path) -> None:
    publish(home, TIER)
    deliver(home)
    put_receipt(acd, "REFUSED")
    deliver(home)
    publish(home, LATER, as_of="2026-11-22")
    deliver(home)
    assert alarms(home) == [("receipt", f"acd {TIER}", False)]
    assert states(home) == {f"acd {TIER}": "refused", f"acd {LATER}": "delivered"}


def test_of_each_list_only_the_newest_is_asked_for(home: Path, acd: Path) -> None:
    """What a newer list took the place of is waited for no longer: no alarm a list and day that it goes without."""
    publish(home, TIER)
    deliver(home, now="2026-11-22T12:00:00")
    deliver(home, now="2026-11-23T12:00:00")
    publish(home, LATER, as_of="2026-11-22")
    for now in ("2026-11-23T12:01:00", "2026-11-23T13:00:00"):
        deliver(home, now=now)
        assert alarms(home) == [("receipt", f"acd {TIER}", False)]
    deliver(home, now="2026-11-24T12:01:00")
    assert [subject for _, subject, is_open in alarms(home) if is_open] == [f"acd {LATER}"]


def test_an_older_list_that_is_delivered_again_ends_no_alarm_about_the_newer(home: Path, acd: Path) -> None:
    for stem, as_of in ((TIER, "2026-11-21"), (LATER, "2026-11-22")):
        publish(home, stem, as_of=as_of)
        deliver(home)
    put_receipt(acd, "REFUSED", LATER)
    deliver(home)
    assert deliver(home, "--again", "--cycle", "20261121").exit_status == 0
    assert alarms(home) == [("receipt", f"acd {LATER}", True)]


@pytest.mark.fault(24)
def test_an_odd_file_under_a_lists_name_keeps_no_other(tmp_path: Path, acd: Path) -> None:
    home = home_with(tmp_path, receiver("acd", Endpoint("file", root=str(acd)), lists="[CARD, TIER]"))
    card = TIER.replace("TIER", "CARD")
    made = publish(home, card, TIER)
    (acd / "CARD").mkdir()
    with (acd / "CARD" / f"{card}.DAT").open("wb") as odd:
        odd.truncate(40 << 20)
    ran = deliver(home)
    assert (ran.exit_status, f"CARD/{card}.DAT: expected none" in ran.err) == (1, True)
    assert states(home) == {f"acd {card}": "failed", f"acd {TIER}": "delivered"}
    assert deliver(home, "--again", "--replace").exit_status == 0
    assert files_below(acd) == made


def test_what_came_through_ends_no_alarm_about_what_did_not(tmp_path: Path, acd: Path) -> None:
    """The receiver was down; then one of its lists alone is asked for."""
    home = home_with(tmp_path, receiver("acd", Endpoint("file", root=str(acd)), lists="[CARD, TIER]"))
    card = TIER.replace("TIER", "CARD")
    publish(home, card, TIER)
    acd.rename(tmp_path / "down")
    assert deliver(home).exit_status == 1
    (tmp_path / "down").rename(acd)
    assert deliver(home, "--list", "TIER").exit_status == 0
    assert alarms(home) == [("delivery", "acd", True)]
    assert deliver(home).exit_status == 0
    assert alarms(home) == [("delivery", "acd", False)]
