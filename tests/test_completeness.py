"""Cycles: their borders and deadlines, and which are due, late, missing, complete."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest

from pipelines.check_files import EndEntry, EndFile
from pipelines.completeness import CycleState, cycle_statuses
from pipelines.config import Config, SourceConfig
from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.contracts.model import Cadence
from pipelines.cycles import parse_cycle
from pipelines.ledger import offerings, standing
from pipelines.ledger.end_files import record_end
from pipelines.ledger.offerings import Change, State
from pipelines.ledger.store import LedgerStore
from pipelines.names import CycleKey, parse_stem
from pipelines.transfer.base import Endpoint

CONTRACTS = load_contracts(DEFAULT_SCHEMAS)
NOON = datetime(2026, 11, 22, 12)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerStore]:
    store = LedgerStore(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield store
    store.close()


def config(feed: str, since: date | None = None) -> Config:
    source = SourceConfig("110", Endpoint("file"), None, "utf-8", since, (feed,), 0, settle_s=0, connections=1)
    return Config({"110": source}, {}, Path(), Path(), None, None, watch_days=35, memory_mb=1000)


def states(ledger: LedgerStore, feed: str, now: datetime, since: date | None = None) -> dict[str, str]:
    with ledger.transaction() as connection:
        found = cycle_statuses(connection, config(feed, since), CONTRACTS, now)
    return {each.key.cycle: each.state.value for each in found}


def accept(ledger: LedgerStore, stem: str, records: int = 1, control_total: int = 0) -> None:
    name = parse_stem(stem)
    assert name is not None
    change = Change("test", "test", NOON)
    with ledger.transaction() as connection:
        (announced,) = offerings.announce_all(connection, [(name, f"{stem}.DAT")], change)
        offerings.move(connection, announced.offering_id, State.VERIFIED, change, records=records)
        standing.accept(connection, announced, change, control_total=control_total)


def end(ledger: LedgerStore, cycle: str, *entries: tuple[str, int], control_total: int = 0) -> None:
    made = tuple(EndEntry(stem, records) for stem, records in entries)
    file = EndFile(len(made), sum(each.records for each in made), control_total, made)
    with ledger.transaction() as connection:
        record_end(connection, CycleKey("PAYM", "110", "I", cycle), file, "digest", NOON)


@pytest.mark.parametrize(
    ("cadence", "text", "start", "stop"),
    [
        (Cadence.HOURLY, "2026112223", datetime(2026, 11, 22, 23), datetime(2026, 11, 23)),
        (Cadence.DAILY, "20261231", datetime(2026, 12, 31), datetime(2027, 1, 1)),
        (Cadence.MONTHLY, "202602", datetime(2026, 2, 1), datetime(2026, 3, 1)),
        (Cadence.MONTHLY, "202612", datetime(2026, 12, 1), datetime(2027, 1, 1)),
    ],
)
def test_borders(cadence: Cadence, text: str, start: datetime, stop: datetime) -> None:
    cycle = parse_cycle(cadence, text)
    assert cycle is not None
    assert (cycle.start, cycle.end) == (start, stop)
    assert cycle.next.start == stop


@pytest.mark.parametrize(
    ("cadence", "text"),
    [(Cadence.HOURLY, "2026112224"), (Cadence.HOURLY, "20261122"), (Cadence.DAILY, "20261131"),
     (Cadence.DAILY, "2026112210"), (Cadence.MONTHLY, "202613"), (Cadence.MONTHLY, "２０２６１１")],
)  # fmt: skip
def test_no_cycle(cadence: Cadence, text: str) -> None:
    assert parse_cycle(cadence, text) is None


@pytest.mark.parametrize(
    ("now", "state"),
    [("11:00", "open"), ("11:29", "open"), ("11:30", "late"), ("13:14", "late"), ("13:15", "missing")],
)
def test_an_hour_is_late_half_an_hour_and_missing_two_and_a_quarter_hours_after_its_end(
    ledger: LedgerStore, now: str, state: str
) -> None:
    """Expected 15 min after the end; late 15 min, missing 2 h after that."""
    moment = datetime.fromisoformat(f"2026-11-22T{now}")
    assert states(ledger, "PAYM", moment, since=date(2026, 11, 22))["2026112210"] == state


def test_bills_are_expected_on_day_three_at_six(ledger: LedgerStore) -> None:
    since = date(2026, 10, 1)
    assert states(ledger, "BILL", datetime(2026, 11, 3, 17, 59), since) == {"202610": "open"}
    assert states(ledger, "BILL", datetime(2026, 11, 3, 18), since) == {"202610": "late"}
    assert states(ledger, "BILL", datetime(2026, 11, 5, 6), since) == {"202610": "missing"}


def test_cycles_are_due_from_since_or_from_the_first_one_seen_and_once_they_have_ended(ledger: LedgerStore) -> None:
    assert states(ledger, "PAYM", NOON) == {}
    assert list(states(ledger, "PAYM", NOON, since=date(2026, 11, 22))) == [f"20261122{hour:02d}" for hour in range(12)]
    accept(ledger, "PAYM_110_I_2026112209_0001_00")
    assert list(states(ledger, "PAYM", NOON)) == ["2026112209", "2026112210", "2026112211"]
    assert len(states(ledger, "PAYM", NOON, since=date(2020, 1, 1))) == 35 * 24


def test_a_cycle_is_complete_when_every_named_stem_or_a_newer_version_was_accepted(ledger: LedgerStore) -> None:
    first, second = "PAYM_110_I_2026112210_0001_00", "PAYM_110_I_2026112210_0002_01"
    end(ledger, "2026112210", (first, 1), (second, 1))
    assert states(ledger, "PAYM", datetime(2026, 11, 22, 11))["2026112210"] == "open"
    accept(ledger, first)
    accept(ledger, "PAYM_110_I_2026112210_0002_00")
    assert states(ledger, "PAYM", datetime(2026, 11, 22, 11))["2026112210"] == "open", "an older version does not do"
    accept(ledger, "PAYM_110_I_2026112210_0002_02")
    assert states(ledger, "PAYM", datetime(2026, 11, 22, 11))["2026112210"] == "complete"


def test_an_empty_cycle_is_complete_with_its_end_file(ledger: LedgerStore) -> None:
    end(ledger, "2026112210")
    assert states(ledger, "PAYM", NOON)["2026112210"] == "complete"


def test_a_batch_that_the_end_file_does_not_name_leaves_the_cycle_complete_and_is_told(ledger: LedgerStore) -> None:
    """Section 3: it is loaded and reported."""
    stems = [f"PAYM_110_I_2026112210_{seq}_00" for seq in ("0001", "0002", "0003")]
    for stem in stems:
        accept(ledger, stem)
    for named, reason in (
        ([stems[0]], f"not named by the end file: {stems[1]}, {stems[2]}"),
        (stems[:2], f"not named by the end file: {stems[2]}"),
        (stems, ""),
    ):
        end(ledger, "2026112210", *((stem, 1) for stem in named))
        with ledger.transaction() as connection:
            found = cycle_statuses(connection, config("PAYM"), CONTRACTS, NOON)
        (status,) = (each for each in found if each.key.cycle == "2026112210")
        assert (status.state, status.reason) == (CycleState.COMPLETE, reason)


def test_an_end_file_that_batches_contradict_leaves_the_cycle_open(ledger: LedgerStore) -> None:
    stem = "PAYM_110_I_2026112210_0001_00"
    end(ledger, "2026112210", (stem, 2))
    accept(ledger, stem, records=1)
    assert states(ledger, "PAYM", datetime(2026, 11, 22, 11))["2026112210"] == "open"
    end(ledger, "2026112210", (stem, 1), control_total=5)
    assert states(ledger, "PAYM", datetime(2026, 11, 22, 11))["2026112210"] == "open"
    end(ledger, "2026112210", (stem, 1))
    assert states(ledger, "PAYM", datetime(2026, 11, 22, 11))["2026112210"] == "complete"
