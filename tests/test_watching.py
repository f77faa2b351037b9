"""Alarms and requests: one each, however often is looked; what is mended is cleared (file interface, 6 and 8)."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from offers import (
    GOOD,
    MANY_BAD,
    NOW,
    STEM,
    change_schema,
    files,
    in_core,
    in_ledger,
    payments,
    put_end,
    receipt,
    states,
    take,
)
from running import make_home, tierline, tierline_process

from pipelines.transfer.base import Endpoint

DAY = "2026-11-22T"
CYCLE = "PAYM_110_I_2026112210"
PATIENCE = "    patience: 600\n"


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    root.mkdir()
    return make_home(tmp_path / "home", Endpoint("file", root=str(root)), extra=PATIENCE)


def told(home: Path) -> Counter[tuple[str, str]]:
    """What `logs/alarms.jsonl` holds, by kind and subject."""
    log = home / "logs" / "alarms.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return Counter((line["kind"], line["subject"]) for line in map(json.loads, lines))


def alarms(home: Path, subject: str) -> list[tuple[str, bool]]:
    """(kind, whether it is open) of all alarms about a subject, oldest first."""
    query = f"select kind, cleared_at is null from alarm where subject like '%{subject}%' order by alarm_id"
    return [(kind, bool(is_open)) for kind, is_open in in_ledger(home, query)]


def asked(home: Path) -> Counter[str]:
    return Counter(stem for (stem,) in in_ledger(home, "select stem from resend_request"))


def requests(root: Path) -> dict[str, list[str]]:
    """stem → stem, code, reason, time of every request on the server."""
    found = files(root / "request")
    return {Path(path).stem: content.decode().rstrip("\n").split("|") for path, content in found.items()}


def test_late_then_missing_raise_one_alarm_each(home: Path, root: Path) -> None:
    """PAYM: expected 15 min after the hour, late 15 min and missing 2 h after that."""
    payments(STEM, "CARD").put(root)
    for time, kinds in [
        ("11:00", []), ("11:29", []), ("11:30", ["late"]), ("11:40", ["late"]), ("13:14", ["late"]),
        ("13:15", ["late", "missing"]), ("13:30", ["late", "missing"]), ("15:00", ["late", "missing"]),
    ]:  # fmt: skip
        take(home, f"{DAY}{time}:00")
        assert [kind for kind, subject in told(home) if subject == CYCLE] == kinds, time
        assert all(count == 1 for count in told(home).values())
    assert alarms(home, CYCLE) == [("late", False), ("missing", True)]
    put_end(root, payments(STEM, "CARD"))
    take(home, f"{DAY}15:10:00")
    assert alarms(home, CYCLE) == [("late", False), ("missing", False)]
    assert all(count == 1 for count in told(home).values())


def test_alarms_say_what_was_expected_and_when(home: Path, root: Path) -> None:
    payments(STEM, "CARD").put(root)
    ran = take(home, f"{DAY}11:30:00")
    assert CYCLE in ran.out + ran.err
    (line,) = (home / "logs" / "alarms.jsonl").read_text().splitlines()
    assert "2026-11-22 11:15" in json.loads(line)["message"]


def test_a_cycle_that_gets_late_after_it_was_mended_is_told_again(home: Path, root: Path) -> None:
    """A full circle: complete, then contradicted by a version that says other counts."""
    first = payments(STEM, "CARD")
    first.put(root)
    take(home, f"{DAY}11:40:00")
    put_end(root, first)
    take(home, f"{DAY}11:50:00")
    assert alarms(home, CYCLE) == [("late", False)]
    two = payments(f"{CYCLE}_0002_00", "CARD")
    put_end(root, first, two)
    take(home, f"{DAY}11:55:00")
    assert alarms(home, CYCLE) == [("late", False), ("late", True)]
    assert told(home)["late", CYCLE] == 2


def test_an_alarm_is_told_though_the_run_was_killed_that_raised_it(home: Path, root: Path) -> None:
    payments(STEM, "GIFT").put(root)
    tierline(home, "fetch", now=NOW)
    assert tierline_process(home, "load", now=NOW, fault="commit").returncode == -9
    assert ("refused", STEM) not in told(home)
    tierline(home, "load", now=NOW)
    assert told(home)["refused", STEM] == 1


def test_a_missing_cycle_of_which_nothing_came_is_asked_for_once(home: Path, root: Path) -> None:
    GOOD.put(root)
    put_end(root, GOOD)
    take(home, f"{DAY}14:14:00")
    assert not requests(root), "2026112211 is late, and no more"
    take(home, f"{DAY}14:15:00")
    stem = "PAYM_110_I_2026112211_0001_00"
    (fields,) = requests(root).values()
    assert (fields[0], len(fields), fields[3]) == (stem, 4, "20261122141500")
    (root / "request" / "PAYM" / f"{stem}.RSD").unlink()  # the producer took it
    for time in ("14:20", "14:40", "15:10"):
        take(home, f"{DAY}{time}:00")
    assert stem not in requests(root)
    assert asked(home)[stem] == 1


@pytest.mark.fault(11)
def test_a_gap_is_asked_for_once_and_closing_it_needs_nobody(home: Path, root: Path) -> None:
    """Fault 11: SEQ 2 before 1; 1 never comes, or at last."""
    first, second = payments(STEM, "CARD"), payments(f"{CYCLE}_0002_00", "CASH", "BANK")
    second.put(root)
    first.put(root)
    put_end(root, first, second)
    held_back = [path.read_bytes() for path in sorted((root / "outgoing/PAYM").glob(f"{STEM}.*"))]
    for path in (root / "outgoing/PAYM").glob(f"{STEM}.*"):
        path.unlink()
    for time in ("11:05", "11:35", "11:50"):
        take(home, f"{DAY}{time}:00")
    assert states(home) == [("0002_00", "loaded", None)]
    assert requests(root)[STEM][:2] == [STEM, "E502"]
    assert asked(home) == Counter([STEM])
    assert told(home) == Counter([("late", CYCLE)])
    for name, content in zip((f"{STEM}.CHK", f"{STEM}.DAT"), held_back, strict=True):
        (root / "outgoing/PAYM" / name).write_bytes(content)
    assert take(home, f"{DAY}12:05:00").exit_status == 0
    assert in_core(home, "select count(*) from core.payment") == [(3,)]
    assert alarms(home, CYCLE) == [("late", False)]
    assert asked(home) == Counter([STEM])
    assert STEM not in requests(root), "it was answered"


@pytest.mark.fault(11)
def test_seqs_that_an_end_file_skips_are_gaps(home: Path, root: Path) -> None:
    third = payments(f"{CYCLE}_0003_00", "CARD")
    third.put(root)
    put_end(root, third)
    take(home, f"{DAY}11:05:00")
    assert asked(home) == Counter([f"{CYCLE}_0001_00", f"{CYCLE}_0002_00"])
    assert {fields[1] for fields in requests(root).values()} == {"E502"}


def test_a_batch_that_the_end_file_does_not_name_is_told_once(home: Path, root: Path) -> None:
    """The end file was written before the last file: section 3 has that one loaded and reported."""
    first, second = payments(STEM, "CARD"), payments(f"{CYCLE}_0002_00", "CASH")
    first.put(root)
    second.put(root)
    put_end(root, first)
    for _ in range(3):
        take(home, f"{DAY}11:05:00")
    assert states(home) == [("0001_00", "loaded", None), ("0002_00", "loaded", None)]
    assert told(home) == Counter([("unnamed", CYCLE)])
    assert in_ledger(home, "select message from alarm") == [(f"not named by the end file: {second.stem}",)]
    put_end(root, first, second)
    take(home, f"{DAY}11:10:00")
    assert alarms(home, CYCLE) == [("unnamed", False)]


def test_a_refusal_raises_one_alarm_that_its_acceptance_clears(home: Path, root: Path) -> None:
    payments(STEM, "GIFT", "GIFT", "GIFT", "GIFT", "CARD").put(root)
    for _ in range(3):
        take(home, f"{DAY}11:05:00")
    assert told(home) == Counter([("refused", STEM)])
    assert alarms(home, STEM) == [("refused", True)]
    tierline(home, "batch", "accept", STEM, "--why", "so it is", now=NOW)
    assert alarms(home, STEM) == [("refused", False)]
    assert told(home)["refused", STEM] == 1


def test_a_refused_one_that_is_sent_well_clears_its_alarm(home: Path, root: Path) -> None:
    payments(STEM, "GIFT").put(root)
    take(home, f"{DAY}11:05:00")
    payments(STEM, "CARD").put(root)
    take(home, f"{DAY}11:10:00")
    assert alarms(home, STEM) == [("refused", False)]
    assert receipt(root, STEM)[1] == "ACCEPTED"


def test_a_new_version_answers_a_refusal_in_the_same_run(home: Path, root: Path) -> None:
    MANY_BAD.put(root)
    answer = f"{STEM[:-2]}01"
    payments(answer, "CARD", "CASH").put(root)
    take(home)
    assert states(home) == [("0001_00", "refused", "E501"), ("0001_01", "loaded", None)]
    assert alarms(home, STEM) == [("refused", False)]


@pytest.mark.fault(8)
@pytest.mark.parametrize("part", ["data", "check"])
def test_an_unpaired_file_is_reported_once_after_the_patience(home: Path, root: Path, part: str) -> None:
    GOOD.put(root, data=part == "data", check=part == "check")
    name = f"{STEM}.{'DAT' if part == 'data' else 'CHK'}"
    for time, is_due in [("11:00", 0), ("11:09", 0), ("11:10", 1), ("11:20", 1), ("11:25", 1)]:
        ran = tierline(home, "fetch", now=f"{DAY}{time}:00")
        assert (f"{name}" in ran.out) == bool(is_due), time
        assert told(home) == Counter({("left", f"110 outgoing/PAYM/{name}"): 1} if is_due else {}), time
        (left,) = json.loads(tierline(home, "batches", "--left", "--json", now=f"{DAY}{time}:00").out)
        assert (left["file_name"], left["first_seen_at"]) == (name, "2026-11-22 11:00:00")
    GOOD.put(root)
    take(home, f"{DAY}11:27:00")
    assert states(home) == [("0001_00", "loaded", None)]
    assert alarms(home, name) == [("left", False)]


def test_cycles_before_the_watched_window_are_taken_but_not_waited_for(tmp_path: Path, root: Path) -> None:
    """Section 4: cycles of any age are taken; how far back missing ones are watched is a setting."""
    root.mkdir()
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)), extra="watch_days: 1\n")
    old = payments("PAYM_110_I_2026110110_0001_00", "CARD")
    old.put(root)
    assert take(home, f"{DAY}12:00:00").exit_status == 0
    assert states(home) == [("0001_00", "loaded", None)]
    watched = {subject[-10:] for kind, subject in told(home)}
    assert len(watched) > 20
    assert min(watched) >= "2026112112", "of the last day only"


def test_a_home_without_since_waits_for_nothing_before_its_first_cycle(home: Path, root: Path) -> None:
    GOOD.put(root)
    put_end(root, GOOD)
    change_schema(home, "feeds/PAYM.yaml", "lateAfter, value: 15", "lateAfter, value: 10")
    take(home, f"{DAY}12:24:00")
    assert told(home) == Counter()
    take(home, f"{DAY}12:25:00")
    assert told(home) == Counter([("late", "PAYM_110_I_2026112211")]), "as the contract of this home says"
