"""The ledger of deliveries, and delivery on demand; ledgers from before there were deliveries."""

from __future__ import annotations

import fcntl
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
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

from pipelines.cli.context import close_sites, open_site
from pipelines.delivery.due import Wanted, settle_due
from pipelines.ledger.deliveries import DeliveryState, deliveries
from pipelines.ledger.publications import ListRecord, Publication, prepare
from pipelines.ledger.store import VERSION
from pipelines.transfer.base import Endpoint

LATER = "TIER_110_F_20261122_0001_00"


@pytest.fixture
def home(tmp_path: Path, acd: Path) -> Path:
    return home_with(tmp_path, receiver("acd", Endpoint("file", root=str(acd)), "receipts: true"))


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


def test_a_list_that_is_published_meanwhile_is_due(home: Path) -> None:
    """What is there is read before the transaction, in which the newest must not pass for none that is due."""
    publish(home, TIER)
    site, at = open_site(home), datetime.fromisoformat(NOW)
    lists = (ListRecord(LATER, 1, ""),)
    with ThreadPoolExecutor(1) as threads, ledger_of(home) as store:
        with store.transaction() as connection:
            asked = threads.submit(settle_due, site, Wanted())
            time.sleep(0.5)  # it has read, and waits for this transaction
            prepare(connection, Publication("20261122-000002", "2026-11-22", "published", "", lists, at, at))
        asked.result()
    close_sites()
    assert states(home) == {f"acd {LATER}": "due"}


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
    execute(place, "drop table delivery_event", "drop table delivery", "drop index offering_by_taken_at")
    execute(place, "update ledger_version set version = 3")
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
    for words in ([], ["--cycle", "20261121"]):
        for path in (acd / "TIER").iterdir():
            path.unlink()
        assert "deliver: 1 lists delivered" in deliver(home, "--again", *words).out
        assert set(states(home).values()) == {"delivered"}
        assert files_below(acd).keys() == {path for path in made if ("1121" in path) == bool(words)}
    assert files_below(acd).items() <= made.items()


@pytest.mark.parametrize("words", [["--list", "CARD"], ["--list", "KPIM"], ["--cycle", "20261101"]])
def test_what_is_wanted_again_and_is_not_there_is_said(home: Path, words: list[str]) -> None:
    publish(home, TIER, TIER.replace("TIER", "CARD"))  # which acd is not to have
    deliver(home)
    ran = deliver(home, "--receiver", "acd", "--again", *words)
    assert (ran.exit_status, "--again: expected a published list" in ran.err) == (2, True)
    assert states(home) == {f"acd {TIER}": "delivered"}


@pytest.mark.fault(24)
def test_other_bytes_under_the_name_are_replaced_on_demand_only(home: Path, acd: Path) -> None:
    made = publish(home, TIER)
    assert deliver(home).exit_status == 0
    for name in (f"{TIER}.DAT", f"{TIER}.CHK", "TIER_110_F_20261121.END"):
        (acd / "TIER" / name).write_text("x" * len(made[f"TIER/{name}"]))
        for words in (["--again"], []):
            ran = deliver(home, *words)
            assert (ran.exit_status, f"receiver acd: {TIER}: TIER/{name}: expected none" in ran.err) == (1, True)
            narrowed = "--receiver acd --list TIER --source 110 --cycle 20261121 --again --replace"
            assert f"write over it: 'tierline --home {home} deliver {narrowed}'" in ran.err
            assert set((acd / "TIER" / name).read_text()) == {"x"}
            assert [each for each in alarms(home) if each[2]] == [("delivery", f"acd {TIER}", True)]
        assert deliver(home, *narrowed.split()).exit_status == 0
        assert files_below(acd) == made
        assert not any(is_open for _, _, is_open in alarms(home))
    assert len(alarms(home)) == 3


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
