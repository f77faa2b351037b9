"""What the ledger tells of feeds' punctuality: whether a cycle was complete in time, which offering of a SEQ stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from test_completeness import CONTRACTS, config

from pipelines.check_files import EndEntry, EndFile
from pipelines.completeness import Within, cycle_statuses
from pipelines.ledger import offerings, standing
from pipelines.ledger.end_files import record_end
from pipelines.ledger.leading import leading
from pipelines.ledger.offerings import Change, State
from pipelines.ledger.store import LedgerStore
from pipelines.names import CycleKey, parse_stem

FIRST, SECOND = "PAYM_110_I_2026112210_0001_00", "PAYM_110_I_2026112210_0002_00"
NEWER = "PAYM_110_I_2026112210_0002_01"
KEY = CycleKey("PAYM", "110", "I", "2026112210")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerStore]:
    store = LedgerStore(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield store
    store.close()


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-22T{clock}")


def offer(ledger: LedgerStore, stem: str, clock: str, state: State | None = None) -> None:
    """Offer a batch that is accepted, or ends in another state."""
    name, change = parse_stem(stem), Change("test", "test", at(clock))
    assert name is not None
    with ledger.transaction() as connection:
        (announced,) = offerings.announce_all(connection, [(name, f"{stem}.DAT")], change)
        offerings.move(connection, announced.offering_id, State.VERIFIED, change, records=1)
        if state is None:
            standing.accept(connection, announced, change, control_total=0)
        else:
            offerings.move(connection, announced.offering_id, state, change)


def end(ledger: LedgerStore, clock: str, *stems: str) -> None:
    entries = tuple(EndEntry(stem, 1) for stem in stems)
    with ledger.transaction() as connection:
        record_end(connection, KEY, EndFile(len(stems), len(stems), 0, entries), "digest", at(clock))


def is_on_time(ledger: LedgerStore, clock: str = "20:00", within: Within | None = None) -> bool | None:
    with ledger.transaction() as connection:
        found = cycle_statuses(connection, config("PAYM"), CONTRACTS, at(clock), within or Within())
    return next(each.is_on_time for each in found if each.key == KEY)


@pytest.mark.parametrize(
    ("batch_clock", "end_clock", "expected"),
    [("11:29:59", "11:00", True), ("11:30", "11:00", False), ("11:00", "11:29:59", True), ("11:00", "11:30", False)],
)
def test_a_cycle_is_on_time_where_batches_and_end_file_came_before_it_was_late(
    ledger: LedgerStore, batch_clock: str, end_clock: str, expected: bool
) -> None:
    offer(ledger, FIRST, batch_clock)
    end(ledger, end_clock, FIRST)
    assert is_on_time(ledger) is expected


def test_a_cycle_without_batches_is_on_time_by_its_end_file(ledger: LedgerStore) -> None:
    end(ledger, "11:29")
    assert is_on_time(ledger) is True


def test_what_is_not_complete_is_not_on_time_from_when_it_is_late(ledger: LedgerStore) -> None:
    offer(ledger, FIRST, "11:00")
    end(ledger, "11:00", FIRST, SECOND)
    assert is_on_time(ledger, "11:29") is None
    assert is_on_time(ledger, "11:30") is False
    assert is_on_time(ledger, "20:00", Within(watched_only=True)) is None  # nobody asks for it there


def test_later_versions_replays_and_discards_do_not_make_it_late(ledger: LedgerStore) -> None:
    offer(ledger, FIRST, "11:00")
    offer(ledger, SECOND, "11:00")
    end(ledger, "11:10", FIRST, SECOND)
    offer(ledger, NEWER, "14:00")
    change = Change("test", "test", at("15:00"))
    with ledger.transaction() as connection:
        first = offerings.find(connection, offerings.offering.c.stem == FIRST)[0]
        offerings.note(connection, first, change, judged_at=change.at)
        offerings.move(connection, first.offering_id, State.DISCARDED, change)
    assert is_on_time(ledger) is True


def test_a_version_that_the_end_file_names_must_have_come(ledger: LedgerStore) -> None:
    offer(ledger, SECOND.replace("0002", "0001"), "11:00")
    offer(ledger, NEWER.replace("0002", "0001"), "12:00")
    end(ledger, "11:00", NEWER.replace("0002", "0001"))
    assert is_on_time(ledger) is False


def offered(ledger: LedgerStore) -> dict[str, tuple[str, int | None]]:
    with ledger.transaction() as connection:
        found = leading(connection)
    return {each.stem: (each.state, each.offered_no) for each in found}


def test_offerings_of_a_seq_are_numbered_as_they_came_whatever_became_of_them(ledger: LedgerStore) -> None:
    offer(ledger, FIRST, "11:00")
    offer(ledger, SECOND, "11:00", State.REFUSED)
    offer(ledger, SECOND, "11:10")
    offer(ledger, NEWER, "11:20")
    offer(ledger, FIRST, "12:00", State.DUPLICATE)
    assert offered(ledger) == {FIRST: ("staged", 1), SECOND: ("superseded", 2), NEWER: ("staged", 3)}


def test_a_newer_version_that_came_first_is_the_first(ledger: LedgerStore) -> None:
    offer(ledger, NEWER, "11:00")
    offer(ledger, SECOND, "11:10")
    assert offered(ledger) == {SECOND: ("superseded", 2), NEWER: ("staged", 1)}
