"""A cycle whose files another process takes right now is told neither late nor missing, nor asked for (section 8)."""

from __future__ import annotations

from pathlib import Path

import pytest
from offers import GOOD, STEM, in_ledger, put_end, take
from running import make_home, tierline
from test_watching import CYCLE, alarms, asked

from pipelines.cli.context import open_site
from pipelines.locks import FileLocks
from pipelines.overdue import without_those_in_hand
from pipelines.steps import statuses
from pipelines.transfer.base import Endpoint

OVERDUE = "2026-11-22T13:20:00"
FEED = "take-110-PAYM"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "remote").mkdir()
    GOOD.put(tmp_path / "remote")
    put_end(tmp_path / "remote", GOOD)
    return tmp_path / "remote"


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    return make_home(tmp_path / "home", Endpoint("file", root=str(root)), extra="    since: 2026-11-22\n")


def test_while_another_process_fetches(home: Path, root: Path) -> None:
    with FileLocks(home / "locks").hold([FEED], wait=False) as mine:
        assert mine
        take(home, OVERDUE)
        assert alarms(home, "PAYM") == []
        assert not any(stem.startswith("PAYM") for stem in asked(home))
    tierline(home, "load", now=OVERDUE)
    assert alarms(home, CYCLE) == [("missing", True)], "it took nothing"
    with FileLocks(home / "locks").hold([FEED], wait=False):
        tierline(home, "load", now=OVERDUE)
        assert alarms(home, CYCLE) == [("missing", True)], "an alarm that stands is not cleared for it"
    take(home, OVERDUE)
    assert alarms(home, CYCLE) == [("missing", False)]


def test_what_it_took_since_the_cycles_were_looked_at(home: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIERLINE_NOW", OVERDUE)
    site = open_site(home)
    before = statuses(site)
    assert {str(each.key): each.state.value for each in before}[CYCLE] == "missing"
    tierline(home, "fetch", now=OVERDUE)
    tierline(home, "load", now="2026-11-22T11:20:00")
    assert in_ledger(home, "select stem, state from offering") == [(STEM, "loaded")]
    now = {str(each.key): each.state.value for each in without_those_in_hand(site, before)}
    assert now[CYCLE] == "complete"
    assert len(now) == len(before)
