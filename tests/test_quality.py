"""Cycles judged as a whole by the real command: a warning is shown, a failure holds publication back."""

from __future__ import annotations

from pathlib import Path

import pytest
from offers import files, in_ledger, published_state
from running import Run
from whole_cycles import BILLS, FIRST_RUN, MONTHS, THIRD_OF_BILLS, USUAL_BILLS, Place, bills, contacts, people

from pipelines.cli.context import open_site
from pipelines.site import Scope
from pipelines.steps import check

FIRST, SECOND = (f"{BILLS}_0001_{version}" for version in ("00", "01"))
FAILED = {"row_count_ratio": "fail", "total_fen_sum_ratio": "fail"}
WHY = "the northern districts moved to province 120, ticket 4711"
DAY, DAYS = "20261121", ["20261031", "20261107", "20261114"]
CONTACTS_DUE = "2026-11-22T02:00:00"


def accept(place: Place, *words: str) -> Run:
    return place.run("quality", "accept", *(words or ("BILL", "110", "202610")), "--why", WHY)


def shown_to_readers(place: Place) -> dict[str, bytes]:
    """All that was published, but for the pages of quality."""
    state = {f"bi/{path}": content for path, content in files(place.home / "bi").items()}
    lists = {f"publish/{path}": content for path, content in files(place.home / "publish").items()}
    return {path: content for path, content in (state | lists).items() if not path.startswith("bi/quality/")}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Four months of bills, and what was published of them."""
    place = Place.new(tmp_path_factory.mktemp("usual"), "CUST", "USER", "BILL")
    for offer in (*people(USUAL_BILLS), *(bills(month, USUAL_BILLS) for month in MONTHS)):
        place.offer(offer)
    ran = place.run("run", "--as-of", "2026-11-02", now=FIRST_RUN)
    assert (ran.exit_status, place.judged(ran)) == (0, 6), ran.err
    assert place.failures() == {}
    return place


@pytest.fixture(scope="module")
def failed(usual: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A third of the bills of the fifth month, loaded twice."""
    place = usual.copied(tmp_path_factory.mktemp("failed"))
    ran = place.take(bills("202610", THIRD_OF_BILLS))
    assert (ran.exit_status, place.judged(ran)) == (3, 1), ran.err
    assert "2 failures, 0 warnings" in ran.out
    assert f"alarm: quality {BILLS}: row_count_ratio 0.333333, expected 0.5 to 2 (fail)" in ran.err
    again = place.run("load")
    assert (again.exit_status, place.judged(again)) == (0, 0), again.out
    return place


@pytest.fixture
def held(failed: Place, tmp_path: Path) -> Place:
    return failed.copied(tmp_path)


@pytest.fixture(scope="module")
def fewer_contacts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Run]:
    """Three usual Saturdays, and one with a tenth of their contacts."""
    place = Place.new(tmp_path_factory.mktemp("fewer"), "CONT", since="2026-11-21")
    for day in DAYS:
        place.offer(contacts(day, 100))
    place.take(now=CONTACTS_DUE)
    return place, place.take(contacts(DAY, 10), now=CONTACTS_DUE)


def test_a_tenth_of_the_usual_rows_warns_and_no_more(fewer_contacts: tuple[Place, Run]) -> None:
    place, ran = fewer_contacts
    assert (ran.exit_status, place.judged(ran)) == (0, 1), ran.err
    assert "0 failures, 1 warnings" in ran.out
    assert " quality --failed" in ran.out
    (found,) = place.results("--failed", now=CONTACTS_DUE)
    assert found == {
        "feed": "CONT", "source": "110", "mode": "I", "cycle": DAY, "measure": "row_count_ratio", "observed": 0.1,
        "least": 0.5, "most": 2, "severity": "warn", "success": False,
        "let_through": None,
    }  # fmt: skip
    assert (place.told(), place.open_alarms()) == ([], [])


def test_warnings_stand_in_the_table_and_all_that_was_met_in_json(fewer_contacts: tuple[Place, Run]) -> None:
    place, _ = fewer_contacts
    ran = place.run("quality", "--failed", now=CONTACTS_DUE)
    assert ran.exit_status == 0
    (found,) = place.results("--failed", now=CONTACTS_DUE)
    header, line = (text.split() for text in ran.out.splitlines())
    assert header == [*found]
    assert line == f"CONT 110 I {DAY} row_count_ratio 0.1 0.5 2 warn False".split()
    assert str(place.home / "bi/quality/index.html") in ran.err
    everything = place.results(now=CONTACTS_DUE)
    assert len(everything) > 3
    assert [each["measure"] for each in everything if not each["success"]] == ["row_count_ratio"]


def test_what_is_asked_for_is_shown_and_no_more(held: Place) -> None:
    assert {each["cycle"] for each in held.results("--feed", "BILL")} >= {"202609", "202610"}
    assert {each["feed"] for each in held.results("--feed", "USER")} == {"USER"}
    assert {each["cycle"] for each in held.results("--cycle", "202609")} == {"202609"}
    assert held.run("quality", "--source", "120").exit_status == 2


def test_a_third_of_the_bills_fails_and_alarms_once(held: Place) -> None:
    assert held.failures() == FAILED
    assert held.run("quality").exit_status == 3
    assert held.told() == [("quality", BILLS)]
    held.run("load")
    assert held.told() == [("quality", BILLS)]
    assert held.open_alarms() == [BILLS]


def test_a_failure_holds_publication_back_and_what_was_published_stays(usual: Place, held: Place) -> None:
    before = shown_to_readers(held)
    assert len(before) > 20
    assert before == shown_to_readers(usual)
    for words in (["publish"], ["run", "--as-of", "2026-11-02"], ["publish", "--republish"]):
        ran = held.run(*words)
        assert ran.exit_status == 3, ran.err
        for text in ("publication held", "BILL 110 202610", " quality accept"):
            assert text in ran.err
    assert shown_to_readers(held) == before


def test_accepted_with_a_reason_it_holds_no_longer(held: Place) -> None:
    before = published_state(held.home)
    ran = accept(held)
    assert ran.exit_status == 0, ran.err
    assert ran.out.startswith(f"{BILLS}: accepted (row_count_ratio, total_fen_sum_ratio)")
    assert in_ledger(held.home, "select count(*) from alarm where kind = 'quality' and cleared_at is null") == [(0,)]
    ((accepted, actor, at),) = in_ledger(
        held.home, "select accepted, accepted_by, accepted_at from cycle_profile where accepted is not null"
    )
    assert (accepted, str(at)[:19]) == (WHY, "2026-11-03 08:00:00")
    assert actor == held.shown(FIRST)["states"][0]["actor"] != ""
    assert held.failures() == FAILED, "it is let through, not forgotten"
    assert held.run("quality").exit_status == 0
    assert held.run("publish").exit_status == 0
    assert len(published_state(held.home)["core.bill"]) == len(before["core.bill"]) + THIRD_OF_BILLS
    assert held.judged(held.run("load")) == 0
    again = accept(held)
    word = f"{actor}, 2026-11-03 08:00:00: {WHY}"
    assert (again.exit_status, f"accepted already by {word}" in again.err) == (2, True), again.err
    assert {each["let_through"] for each in held.results("--failed")} == {word}
    assert {each["let_through"] for each in held.results() if each["success"]} == {None}
    assert f"row_count_ratio, total_fen_sum_ratio, accepted by {word}; bi/quality/" in held.shown(FIRST)["quality"]


def test_the_word_outlives_a_replay_and_comes_back_with_its_version(held: Place) -> None:
    """It is about the bytes: these are the same. What is discarded takes the word for it along."""
    accept(held)
    ran = held.run("replay", "--feed", "BILL", "--from", "202610", "--to", "202610")
    assert (ran.exit_status, held.judged(ran)) == (0, 1), ran.err
    assert f"{BILLS}: its failures were accepted before" in ran.out
    assert held.run("publish").exit_status == 0
    newer = bills("202610", THIRD_OF_BILLS - 1, "01")
    assert held.take(newer).exit_status == 3
    ran = held.run("batch", "discard", newer.stem, "--why", "sent by mistake")
    assert (ran.exit_status, held.judged(ran), held.open_alarms()) == (0, 1, []), ran.err
    assert held.run("publish").exit_status == 0
    assert held.run("batch", "discard", FIRST, "--why", "accepted by mistake").exit_status == 0
    assert held.take(bills("202610", THIRD_OF_BILLS)).exit_status == 3, "the same stem and bytes, offered anew"
    assert held.open_alarms() == [BILLS]


def test_a_word_for_what_was_judged_is_none_for_what_came_since(held: Place) -> None:
    held.offer(bills("202610", THIRD_OF_BILLS - 1, "01"))
    held.run("fetch")
    site = open_site(held.home)
    assert check(site, Scope()).staged
    site.ledger.close()
    assert accept(held).exit_status == 0
    ran = held.run("load")
    assert (ran.exit_status, held.judged(ran), held.open_alarms()) == (3, 1, [BILLS]), ran.err


def test_the_word_does_not_hold_for_a_new_version(held: Place) -> None:
    accept(held)
    ran = held.take(bills("202610", THIRD_OF_BILLS - 1, "01"))
    assert (ran.exit_status, held.judged(ran)) == (3, 1)
    assert held.run("publish").exit_status == 3
    assert held.failures() == FAILED


@pytest.mark.parametrize("judged_by", ["load", "run"])
def test_a_version_with_all_bills_is_judged_anew_and_published(held: Place, judged_by: str) -> None:
    held.offer(bills("202610", USUAL_BILLS, "01"))
    assert held.run("fetch").exit_status == 0
    words = ["run", "--as-of", "2026-11-02"] if judged_by == "run" else ["load"]
    ran = held.run(*words)
    assert (ran.exit_status, held.judged(ran)) == (0, 1), ran.err
    assert (held.failures(), held.open_alarms()) == ({}, [])
    assert held.told() == [("quality", BILLS)]
    assert held.run("publish").exit_status == 0
    assert len(published_state(held.home)["core.bill"]) == 5 * USUAL_BILLS
    assert held.shown(SECOND)["quality"].startswith("6 expectations of its cycle, all met; bi/quality/")
    assert held.shown(FIRST)["quality"] is None, "it stands no longer"


def test_what_fails_again_after_it_was_mended_alarms_again(held: Place) -> None:
    held.take(bills("202610", USUAL_BILLS, "01"))
    held.take(bills("202610", THIRD_OF_BILLS, "02"))
    assert held.told() == [("quality", BILLS)] * 2
    assert held.open_alarms() == [BILLS]
    ran = held.run("batch", "discard", f"{BILLS}_0001_02", "--why", "sent by mistake")
    assert (ran.exit_status, held.judged(ran)) == (0, 1), ran.err
    assert (held.failures(), held.open_alarms()) == ({}, [])


def test_with_all_its_batches_discarded_it_holds_nothing(held: Place) -> None:
    assert held.run("batch", "discard", FIRST, "--why", "sent by mistake").exit_status == 0
    assert (held.failures(), held.open_alarms()) == ({}, [])
    for table in ("cycle_profile", "quality_result"):
        assert in_ledger(held.home, f"select count(*) from {table} where cycle = '202610'") == [(0,)]
    assert held.run("quality").exit_status == 0
    assert held.run("publish").exit_status == 0
    assert accept(held).exit_status == 2


@pytest.mark.parametrize(
    ("words", "text"),
    [(("BILL", "120", "202610"), "expected one of 110"), (("BULL", "110", "202610"), "expected one of "),
     (("BILL", "110", "202609"), " quality --failed"), (("BILL", "110", "2026101"), "expected"),
     (("CUST", "110", "202610"), " quality --failed"), (("bill", "110", "202610"), "expected one of ")],
)  # fmt: skip
def test_nothing_is_accepted_that_did_not_fail(held: Place, words: tuple[str, str, str], text: str) -> None:
    ran = accept(held, *words)
    assert (ran.exit_status, text in ran.err, "Traceback" in ran.err) == (2, True, False), ran.err
    assert in_ledger(held.home, "select count(*) from cycle_profile where accepted is not null") == [(0,)]
    assert held.run("publish").exit_status == 3


def test_a_warning_is_nothing_to_accept(fewer_contacts: tuple[Place, Run]) -> None:
    place, _ = fewer_contacts
    ran = place.run("quality", "accept", "CONT", "110", DAY, "--why", WHY, now=CONTACTS_DUE)
    assert ran.exit_status == 2, ran.err


def test_a_month_without_one_bill_fails(usual: Place, tmp_path: Path) -> None:
    """The file came, sound and empty: nothing of it reaches core, and nothing tells but the number of rows."""
    place = usual.copied(tmp_path)
    ran = place.take(bills("202610", 0))
    assert (ran.exit_status, place.judged(ran)) == (3, 1), ran.err
    assert place.failures() == {"row_count_ratio": "fail"}
    assert place.judged(place.run("load")) == 0
    assert place.run("publish").exit_status == 3
