"""When cycles are judged as a whole: once each as they stand, whatever ended a run; and that nobody is named by it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from offers import in_ledger, put_end
from running import tierline_process
from whole_cycles import (
    BILLS,
    FIRST_RUN,
    MONTHS,
    NOW,
    THIRD_OF_BILLS,
    USUAL_BILLS,
    Place,
    bills,
    contacts,
    id_number_of,
    number_of,
    people,
)

from pipelines.cli.context import open_site
from pipelines.completeness import closed_cycles
from pipelines.names import CycleKey
from pipelines.operating import Action, decide
from pipelines.quality import running

DAY = "20261121"
DUE = "2026-11-22T02:00:00"
LATE = "2026-11-22T05:00:00"  # two hours after 03:00
STEM = f"CONT_110_I_{DAY}_0001_00"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.new(tmp_path, "CONT", since="2026-11-21")


def noted(place: Place) -> list[dict[str, Any]]:
    """The cycles that the ledger holds a verdict of, each with its profile."""
    rows = in_ledger(place.home, "select cycle, profile, page from cycle_profile order by cycle")
    return [{"cycle": cycle, "page": page} | json.loads(profile) for cycle, profile, page in rows]


def pages(place: Place) -> list[Path]:
    return sorted((place.home / "bi/quality").glob("*_*.html"))


def test_a_cycle_is_judged_once(place: Place) -> None:
    assert place.judged(place.take(contacts(DAY, 20), now=DUE)) == 1
    before = noted(place), pages(place)
    for now in (DUE, LATE):
        assert place.judged(place.take(now=now)) == 0
    assert (noted(place), pages(place)) == before
    assert [each["rows"] for each in noted(place)] == [20]


def test_an_open_cycle_is_not_judged_and_an_overdue_one_is(place: Place) -> None:
    contacts(DAY, 20).put(place.root)
    for now in (DUE, "2026-11-22T04:59:59"):
        assert place.judged(place.take(now=now)) == 0
    assert noted(place) == []
    assert place.judged(place.take(now=LATE)) == 1
    put_end(place.root, contacts(DAY, 20))
    assert place.judged(place.take(now="2026-11-22T06:00:00")) == 0, "nothing else stands for it"


def test_a_file_that_comes_to_an_overdue_cycle_has_it_judged_anew(place: Place) -> None:
    contacts(DAY, 20).put(place.root)
    place.take(now=LATE)
    assert place.judged(place.take(contacts(DAY, 20), contacts(DAY, 7, seq="0002"), now=LATE)) == 1
    assert [each["rows"] for each in noted(place)] == [27]


def test_a_cycle_waits_for_all_files_that_its_end_names(place: Place) -> None:
    first, second = contacts(DAY, 20), contacts(DAY, 7, seq="0002")
    place.offer(first, second)
    data, check = ((place.root / "outgoing/CONT" / f"{second.stem}{ending}") for ending in (".DAT", ".CHK"))
    data.unlink()
    check.unlink()
    assert place.judged(place.take(now=DUE)) == 0
    second.put(place.root)
    assert place.judged(place.take(now=DUE)) == 1
    assert [each["rows"] for each in noted(place)] == [27]


def test_a_resend_has_its_cycle_judged_anew_and_no_other(place: Place) -> None:
    place.offer(contacts("20261114", 20))
    assert place.judged(place.take(contacts(DAY, 20), now=DUE)) == 2
    assert place.judged(place.take(contacts(DAY, 9, "01"), now=DUE)) == 1
    assert [(each["cycle"], each["rows"]) for each in noted(place)] == [("20261114", 20), (DAY, 9)]
    place.offer(contacts(DAY, 9, "01"))  # the same once more is a duplicate
    assert place.judged(place.take(now=DUE)) == 0


def test_a_replay_has_its_cycle_judged_anew(place: Place) -> None:
    place.take(contacts(DAY, 20), now=DUE)
    before = noted(place)
    ran = place.run("replay", "--feed", "CONT", "--from", DAY, "--to", DAY, now=LATE)
    assert ran.exit_status == 0, ran.err
    assert place.judged(ran) + place.judged(place.run("load", now=LATE)) == 1
    assert [each["rows"] for each in noted(place)] == [20]
    assert noted(place)[0]["page"] != before[0]["page"]


@pytest.mark.parametrize("others", [0, 1])
def test_a_batch_that_is_discarded_meanwhile_leaves_nothing_to_judge(
    place: Place, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    """Between the reading of what has changed and of which batches stand, somebody may decide."""

    def after_a_discard(*given: Any) -> list[CycleKey]:
        decide(open_site(place.home), Action.DISCARD, STEM, "drill")
        return closed_cycles(*given)

    place.offer(contacts(DAY, 20))
    for day in ["20261120"][:others]:
        place.offer(contacts(day, 9))
    with monkeypatch.context() as patched:
        patched.setattr(running, "closed_cycles", after_a_discard)
        ran = place.take(now=LATE)
    assert (ran.exit_status, place.judged(ran)) == (0, others), ran.err
    assert place.run("batches", "--state", "discarded", now=LATE).out.count(STEM) == 1
    assert [each["rows"] for each in noted(place)] == [9] * others
    assert place.judged(place.run("load", now=LATE)) == 0


def test_each_source_and_mode_is_a_cycle_of_its_own(tmp_path: Path) -> None:
    place = Place.new(tmp_path, "CUST", "USER")
    whole, _ = people(20)
    early = tuple(line.replace("|20261101130000|", "|20261101030000|") for line in whole.lines)  # so that both warn
    snapshot = replace(whole, lines=early)
    lines = tuple(line.replace("|F|20261101|", "|I|20261101|") for line in early)
    increment = replace(snapshot, stem=snapshot.stem.replace("_F_", "_I_"), lines=lines)
    place.offer(snapshot)
    assert place.judged(place.take(increment, now="2026-11-02T01:00:00")) == 2
    found = place.results("--failed", now="2026-11-02T01:00:00")
    assert {(each["mode"], each["cycle"]) for each in found} == {("F", "20261101"), ("I", "20261101")}
    (page,) = pages(place)
    shown = page.read_text(encoding="utf-8")
    assert ("20261101 F" in shown, shown.count("20261101") > shown.count("20261101 F")) == (True, True)


@pytest.mark.parametrize(("at_once", "count_of_pages"), [(1, 4), (3, 2), (300, 1)])
def test_cycles_that_come_together_are_compared_within_and_across_pages(
    place: Place, monkeypatch: pytest.MonkeyPatch, at_once: int, count_of_pages: int
) -> None:
    monkeypatch.setattr(running, "_CYCLES_AT_ONCE", at_once)  # rows of a page: 300, for which it would take 301 files
    for day, count in (("20261031", 20), ("20261107", 20), ("20261114", 20), (DAY, 10)):
        place.offer(contacts(day, count))
    assert place.judged(place.take(now=DUE)) == 4
    assert len(pages(place)) == count_of_pages
    ratios = [each for each in place.results(now=DUE) if each["measure"] == "row_count_ratio"]
    assert [(each["cycle"], each["observed"]) for each in ratios] == [(DAY, 0.5)]
    assert len({each["page"] for each in noted(place)}) == count_of_pages


@pytest.mark.fault(1)
@pytest.mark.parametrize("point", ["commit", "receipt"])
def test_a_run_that_was_killed_before_leaves_the_cycle_to_the_next(place: Place, point: str) -> None:
    place.offer(contacts(DAY, 20))
    place.run("fetch", now=DUE)
    assert tierline_process(place.home, "load", now=DUE, fault=point).returncode == -9
    assert noted(place) == []
    assert place.judged(place.run("load", now=DUE)) == 1
    assert place.judged(place.run("load", now=DUE)) == 0
    assert [each["rows"] for each in noted(place)] == [20]


@pytest.mark.fault(1)
def test_a_run_that_was_killed_between_page_and_ledger_is_done_again(place: Place) -> None:
    place.offer(contacts(DAY, 20))
    place.run("fetch", now=DUE)
    assert tierline_process(place.home, "load", now=DUE, fault="judge").returncode == -9
    (page,) = pages(place)
    assert noted(place) == []
    assert place.judged(place.run("load", now=DUE)) == 1
    assert pages(place) == [page]
    assert place.judged(place.run("load", now=DUE)) == 0
    assert noted(place)[0]["page"] == str(page.relative_to(place.home))


@pytest.mark.fault(1)
def test_a_cycle_that_nobody_judged_is_judged_before_it_is_published(tmp_path: Path) -> None:
    """The run that loaded it was killed, and somebody publishes on his own: a failure holds that back too."""
    place = Place.new(tmp_path, "CUST", "USER", "BILL")
    for offer in (*people(USUAL_BILLS), *(bills(month, USUAL_BILLS) for month in MONTHS)):
        place.offer(offer)
    place.run("run", "--as-of", "2026-11-02", now=FIRST_RUN)
    place.offer(bills("202610", THIRD_OF_BILLS))
    place.run("fetch")
    assert tierline_process(place.home, "load", now=NOW, fault="judge").returncode == -9
    ran = place.run("publish")
    assert (ran.exit_status, "publication held" in ran.err) == (3, True), ran.err


def test_orphans_are_counted_for_batch_and_cycle_and_the_page_is_named(tmp_path: Path) -> None:
    place = Place.new(tmp_path, "CUST", "USER", "CONT", since="2026-11-21")
    for offer in people(10):
        place.offer(offer)
    known, unknown = contacts(DAY, 20, user="U00000003"), contacts(DAY, 5, seq="0002", user="U99999999")
    place.take(known, unknown, now=DUE)
    assert [place.shown(each.stem, DUE)["orphans"] for each in (known, unknown)] == [0, 5]
    orphans = {each["measure"]: each for each in place.results("--feed", "CONT", now=DUE)}["user_id_orphan_share"]
    assert (orphans["observed"], orphans["success"]) == (0.2, False)
    for offer in (known, unknown):
        said, _, page = place.shown(offer.stem, DUE)["quality"].rpartition("; ")
        assert "failed: " in said
        assert "user_id_orphan_share" in said
        text = (place.home / page).read_text(encoding="utf-8")
        assert (DAY in text, "user_id_orphan_share" in text) == (True, True)
        assert Path(page).name in (place.home / "bi/quality/index.html").read_text(encoding="utf-8")
    assert place.shown(people(10)[1].stem, DUE)["orphans"] == 0


@pytest.mark.fault(23)
def test_nobody_is_named_in_pages_or_ledger(tmp_path: Path) -> None:
    place = Place.new(tmp_path, "CUST", "USER", "BILL")
    for offer in people(24):
        place.offer(offer)
    for month in MONTHS:
        place.offer(bills(month, 24))
    place.take(now=FIRST_RUN)
    place.take(bills("202610", 8), now=NOW)
    assert {each["feed"] for each in place.results()} == {"CUST", "USER", "BILL"}
    told = (place.home / "logs/alarms.jsonl").read_text(encoding="utf-8")
    assert BILLS in told
    texts = [
        told,
        *(path.read_text(encoding="utf-8") for path in (place.home / "bi/quality").rglob("*") if path.is_file()),
    ]
    for table in ("cycle_profile", "quality_result", "alarm"):
        texts += [str(row) for row in in_ledger(place.home, f"select * from {table}")]
    assert len(texts) > 10
    for person in range(24):
        for named in (number_of(person), id_number_of(person), f"C{person:08d}", f"U{person:08d}", f"欧阳{person:03d}",
                      f"A{person:08d}", f"学府路{person}号", f"k{person}@"):  # fmt: skip
            assert not any(named in text for text in texts), named[:1]


def test_an_old_version_that_comes_back_is_judged_however_long_ago_it_was_taken(tmp_path: Path) -> None:
    place = Place.new(tmp_path, "BILL", extra="watch_days: 2\n")
    for month in (*MONTHS, "202610"):
        place.offer(bills(month, 24))
    place.take(now=NOW)
    place.take(bills("202610", 8, "01"), now="2026-11-09T08:00:00")
    assert "row_count_ratio" in place.failures(now="2026-11-09T08:00:00")
    ran = place.run("batch", "discard", f"{BILLS}_0001_01", "--why", "sent by mistake", now="2026-11-09T09:00:00")
    assert ran.exit_status == 0
    assert "row_count_ratio" not in place.failures(now="2026-11-09T09:00:00")
