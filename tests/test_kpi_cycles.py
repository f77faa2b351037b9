"""The KPI of punctuality keeps what never came in its denominator, and leaves out what was not due."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest
from offers import in_core
from running import make_home, tierline
from test_completeness import CONTRACTS, NOON, accept, config, end, ledger

from pipelines.completeness import CycleState, CycleStatus, cycle_statuses
from pipelines.kpi_cycles import kpis_from, never_came
from pipelines.ledger.store import LedgerStore
from pipelines.names import CycleKey
from pipelines.transfer.base import Endpoint

__all__ = ["ledger"]
ON_TIME = """
    select numerator, denominator from mart.kpi_feed
    where kpi = 'feed_on_time_rate' and month = '202610' and source = '110' and feed = 'PAYM'
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "remote/outgoing/BILL").mkdir(parents=True)
    (tmp_path / "remote/outgoing/PAYM").mkdir(parents=True)
    return tmp_path / "remote"


def empty(root: Path, *cycles: str) -> None:
    """End files of cycles in which nothing happened."""
    for cycle in cycles:
        (root / "outgoing" / cycle[:4] / f"{cycle}.END").write_text("0|0|0\n")


def test_a_cycle_that_never_came_is_due_for_as_long_as_its_month_is_told(tmp_path: Path, root: Path) -> None:
    """Of two days that were due half of the second came, and an hour of the day before them that was not due."""
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)), extra="    since: 2026-10-30\n")
    empty(root, "PAYM_110_I_2026102900", *(f"PAYM_110_I_20261031{hour:02d}" for hour in range(12)))
    assert tierline(home, "fetch", now="2026-10-31T12:10:00").exit_status == 0
    empty(root, "BILL_110_I_202610")
    assert tierline(home, "fetch", now="2026-11-03T05:00:00").exit_status == 0
    for now in ("2026-11-05T12:00:00", "2026-12-20T12:00:00"):
        ran = tierline(home, "build", "--as-of", now[:10], now=now)
        assert ran.exit_status == 0, ran.err
        assert in_core(home, ON_TIME) == [(1, 48)], now
    states = "select distinct state, is_on_time from ops.cycle where feed = 'PAYM' and cycle like '20261030%'"
    assert in_core(home, states) == [("open", False)]
    assert "2026103000" not in tierline(home, "cycles", "--feed", "PAYM", now=now).out, "nobody waits for it"


def test_a_cycle_of_history_before_since_is_neither_in_time_nor_late(ledger: LedgerStore) -> None:
    stem = "PAYM_110_I_2026112123_0001_00"
    accept(ledger, stem)
    end(ledger, "2026112123", (stem, 1))
    accept(ledger, "PAYM_110_I_2026112122_0001_00")
    with ledger.transaction() as connection:
        found = cycle_statuses(connection, config("PAYM", date(2026, 11, 22)), CONTRACTS, NOON)
    old = {each.key.cycle: each.is_on_time for each in found if each.key.cycle < "20261122"}
    assert old == {"2026112122": None, "2026112123": None}


def test_a_snapshot_of_history_before_since_is_not_late(ledger: LedgerStore) -> None:
    accept(ledger, "USER_110_F_20261120_0001_00")
    accept(ledger, "USER_110_F_20261121_0001_00")
    with ledger.transaction() as connection:
        found = cycle_statuses(connection, config("USER", date(2026, 11, 21)), CONTRACTS, NOON)
    snapshots = {each.key.cycle: each.state.value for each in found if each.key.mode == "F"}
    assert snapshots == {"20261120": "open", "20261121": "missing"}


def test_what_never_came_reaches_back_as_far_as_is_asked_and_has_its_deadline(ledger: LedgerStore) -> None:
    earliest, now = datetime(2025, 9, 1), datetime(2026, 11, 3, 12)
    with ledger.transaction() as connection:
        found = never_came(connection, config("BILL", date(2025, 8, 5)), CONTRACTS, [], earliest, now)
        after = never_came(connection, config("BILL", date(2026, 8, 5)), CONTRACTS, found[-1:], earliest, now)
    assert [each.key.cycle for each in found] == [f"2025{m:02d}" for m in range(9, 13)] + [
        f"2026{m:02d}" for m in range(1, 11)
    ]
    assert [each.is_on_time for each in found] == [False] * 13 + [None], "October may come until 18:00"
    assert [each.key.cycle for each in after] == ["202608", "202609"], "from since on, but for what is known"


def month(source: str, cycle: str, state: CycleState = CycleState.COMPLETE) -> CycleStatus:
    key = CycleKey("BILL", source, "I", cycle)
    return CycleStatus(key, state, NOON, None, 0, (), "", "0001", (), 0, is_whole=True)


def test_kpis_reach_back_from_the_last_month_of_the_source_that_is_furthest_behind() -> None:
    known = [month("110", "202608"), month("110", "202609"), month("110", "202610", CycleState.OPEN)]
    known += [month("440", "202607"), month("440", "202611")]
    as_of = date(2026, 11, 21)
    assert kpis_from(CONTRACTS, known[:3], as_of, None, 12) == datetime(2025, 9, 1)
    assert kpis_from(CONTRACTS, known, as_of, None, 12) == datetime(2025, 7, 1)
    assert kpis_from(CONTRACTS, known, as_of, "202601", 12) == datetime(2025, 1, 1)
    assert kpis_from(CONTRACTS, [], as_of, None, 12) == datetime(2025, 11, 1)
