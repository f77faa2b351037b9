"""Receipts of receivers: what they decide, those that are waited for in vain, and those that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from offers import in_ledger
from receivers import TIER, alarms, deliver, home_with, publish, receiver, set_receivers, states

from pipelines.transfer.base import Endpoint

LATER = "TIER_110_F_20261122_0001_00"
SERIES = "acd TIER_110_F"
NUMBER = "13900000811"


@pytest.fixture
def home(tmp_path: Path, acd: Path) -> Path:
    return home_with(tmp_path, receiver("acd", Endpoint("file", root=str(acd)), "receipts: true"))


def put_receipt(acd: Path, status: str, stem: str = TIER, reason: str = "", at: str = "20261122120500") -> Path:
    path = acd / "receipt" / "TIER" / f"{stem}.RCP"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{stem}.DAT|{status}|3|2|1||{reason}|{at}\n")
    return path


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


def test_a_newer_list_ends_the_alarm_about_the_former(home: Path, acd: Path) -> None:
    publish(home, TIER)
    deliver(home)
    put_receipt(acd, "REFUSED")
    deliver(home)
    publish(home, LATER, as_of="2026-11-22")
    deliver(home)
    assert alarms(home) == [("receipt", f"acd {TIER}", False)]
    assert states(home) == {f"acd {TIER}": "refused", f"acd {LATER}": "delivered"}


def test_an_older_list_that_is_delivered_again_ends_no_alarm_about_the_newer(home: Path, acd: Path) -> None:
    for stem, as_of in ((TIER, "2026-11-21"), (LATER, "2026-11-22")):
        publish(home, stem, as_of=as_of)
        deliver(home)
    put_receipt(acd, "REFUSED", LATER)
    deliver(home)
    assert deliver(home, "--again", "--cycle", "20261121").exit_status == 0
    assert alarms(home) == [("receipt", f"acd {LATER}", True)]


def test_a_receiver_that_accepts_what_it_refused_is_heard(home: Path, acd: Path) -> None:
    """It mended the cause, and wrote a later receipt over the former; the increment goes out in the same run."""
    increment = "TIER_110_I_20261121_0001_00"
    publish(home, TIER)
    deliver(home)
    put_receipt(acd, "REFUSED", reason="disk was full")
    publish(home, increment)
    deliver(home, "--list", "CARD")  # reads receipts alone
    ran = deliver(home)
    assert (ran.exit_status, f"{increment} waits until {TIER} is accepted, which" in ran.out) == (3, True)
    put_receipt(acd, "ACCEPTED", at="20261122130000")
    ran = deliver(home)
    assert (ran.exit_status, states(home)) == (0, {f"acd {TIER}": "accepted", f"acd {increment}": "delivered"})
    assert alarms(home) == [("receipt", f"acd {TIER}", False)]


def test_a_receipt_speaks_for_the_list_as_it_was_sent(home: Path, acd: Path) -> None:
    """Not for the list that is sent anew; but where all of it stands there and nothing is sent, there is no other."""
    publish(home, TIER)
    deliver(home)
    put_receipt(acd, "ACCEPTED")
    deliver(home)
    assert deliver(home, "--again").exit_status == 0
    assert states(home) == {f"acd {TIER}": "accepted"}
    assert deliver(home, now="2026-11-30T12:00:00").exit_status == 0
    assert alarms(home) == []
    for path in (acd / "TIER").iterdir():
        path.unlink()
    assert deliver(home, "--again").exit_status == 0
    assert states(home) == {f"acd {TIER}": "delivered"}
    put_receipt(acd, "REFUSED", at="20261122130000")
    assert deliver(home).exit_status == 3
    assert states(home) == {f"acd {TIER}": "refused"}
    assert [event for (event,) in in_ledger(home, "select state from delivery_event order by event_id")] == [
        "due", "delivered", "accepted", "due", "delivered", "accepted", "due", "delivered", "refused",
    ]  # fmt: skip


def test_a_reason_may_be_written_as_the_lists_are(home: Path, acd: Path) -> None:
    set_receivers(home, receiver("acd", Endpoint("file", root=str(acd)), "receipts: true", "encoding: gb18030"))
    publish(home, TIER)
    deliver(home)
    reason = "名单错误亅"  # the last of which ends with the byte of |
    path = put_receipt(acd, "REFUSED", reason=reason)
    for encoding in ("gb18030", "utf-8"):
        path.write_bytes(path.read_text().encode(encoding))
        assert reason in deliver(home).out
        put_receipt(acd, "REFUSED", reason=reason)


# Receipts that do not come.


def test_a_receipt_that_does_not_come_raises_one_alarm(home: Path, acd: Path) -> None:
    publish(home, TIER)
    deliver(home, now="2026-11-22T12:00:00")
    for now, count in (("2026-11-23T11:59:59", 0), ("2026-11-23T12:00:00", 1), ("2026-11-24T12:00:00", 1)):
        assert deliver(home, now=now).exit_status == 0
        assert alarms(home) == [("receipt", SERIES, True)] * count
    put_receipt(acd, "ACCEPTED")
    deliver(home, now="2026-11-24T13:00:00")
    assert alarms(home) == [("receipt", SERIES, False)]


def test_a_receiver_that_never_answers_is_told_whatever_is_sent_in_between(home: Path, acd: Path) -> None:
    """A newer list every day, so that the newest is never the one that is overdue; one alarm, until it answers."""
    for day in range(21, 25):
        publish(home, f"TIER_110_F_202611{day}_0001_00", as_of=f"2026-11-{day}")
        ran = deliver(home, now=f"2026-11-{day + 1}T12:00:00")
        assert alarms(home) == [("receipt", SERIES, True)] * (day > 21)
        assert (f"alarm: receipt {SERIES}: no receipt that can be read came of {TIER}" in ran.err) == (day == 22)
    put_receipt(acd, "ACCEPTED", "TIER_110_F_20261123_0001_00")  # what it passed over is not asked for
    deliver(home, now="2026-11-25T12:10:00")
    assert alarms(home) == [("receipt", SERIES, False)]
    deliver(home, now="2026-11-26T12:00:00")
    assert alarms(home) == [("receipt", SERIES, False), ("receipt", SERIES, True)]


def test_a_receiver_that_is_not_to_answer_any_more_has_no_alarm(home: Path, acd: Path) -> None:
    publish(home, TIER)
    deliver(home)
    here = Endpoint("file", root=str(acd))
    for change in (receiver("acd", here), receiver("acd", here, "receipts: true", lists="[CARD]")):
        set_receivers(home, receiver("acd", here, "receipts: true"))
        deliver(home, now="2026-11-24T12:00:00")
        assert [each for each in alarms(home) if each[2]] == [("receipt", SERIES, True)]
        set_receivers(home, change)
        deliver(home, now="2026-11-24T12:00:00")
        assert not [each for each in alarms(home) if each[2]]


# Receipts that cannot be read.


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "expected one line name|status|"),
        ("garbage", "found 'garbage'"),
        (f"{TIER}.DAT|ACCEPTED|1|1|0||x", "expected one line name|status|"),
        (f"{LATER}.DAT|ACCEPTED|1|1|0|||x", f"expected the name {TIER}.DAT, found '{LATER}.DAT'"),
        (f"{TIER}|ACCEPTED|1|1|0|||x", f"expected the name {TIER}.DAT, found '{TIER}'"),
        (f"\ufeff{TIER}.DAT|REFUSED|1|1|0|||x", f"expected the name {TIER}.DAT, found '\\ufeff{TIER}.DAT'"),
        (f"{TIER}.DAT|refused|1|1|0|||x", "expected the status ACCEPTED, DUPLICATE, PARTIAL, REFUSED, found 'refused'"),
        (f"{TIER}.DAT|{NUMBER}|1|1|0|||x", "found '139****'"),
        ("x" * 9_000, "expected at most 4096 bytes"),
        (None, "no regular file"),
    ],
)
def test_a_receipt_that_cannot_be_read_is_told(home: Path, acd: Path, content: str | None, says: str) -> None:
    """By every run, and in the alarm once it is overdue; also where a newer list was sent, and not answered yet."""
    publish(home, TIER)
    deliver(home)
    path = put_receipt(acd, "")
    if content is None:
        path.unlink()
        path.mkdir()
    else:
        path.write_text(content)
    publish(home, LATER, as_of="2026-11-22")
    for now in ("2026-11-22T12:10:00", "2026-11-23T12:00:00"):
        ran = deliver(home, now=now)
        told = f"  acd: a receipt that cannot be read, receipt/TIER/{TIER}.RCP: "
        assert (ran.exit_status, told in ran.out, says in ran.out) == (3, True, True), ran.out
        assert set(states(home).values()) == {"delivered"}
    assert alarms(home) == [("receipt", SERIES, True)]
    assert (f"receipt/TIER/{TIER}.RCP: expected " in ran.err, says in ran.err) == (True, True)
    put_receipt(acd, "ACCEPTED", LATER)
    ran = deliver(home)
    assert (ran.exit_status, alarms(home)) == (0, [("receipt", SERIES, False)])
