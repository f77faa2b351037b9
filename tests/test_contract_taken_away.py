"""A contract that is taken away, or gets another cadence, while batches of its feed stand in the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest
from offers import GOOD, NOW, change_schema, customers, in_core, in_ledger, take
from running import make_home, tierline

from pipelines.transfer.base import Endpoint

SAID = "PAYM: expected a contract for each feed of which batches stand or are asked for, found none"
TO_DO = "put feeds/PAYM.yaml back"
LATER = "2026-11-22T15:00:00"
TO_DAILY = ("feeds/PAYM.yaml", "frequency, value: hourly", "frequency, value: daily")
CADENCE = (
    "tierline: PAYM: expected the cadence hourly in its contract, as of the cycle 2026112210 in the ledger, found "
    "daily; put it back, or give what comes daily a feed of its own\n"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that has fetched batches of two feeds, one of which it no longer knows."""
    root = tmp_path / "remote"
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    GOOD.put(root)
    customers("20261121", 2).put(root)
    assert tierline(home, "fetch", now=NOW).exit_status == 0
    assert tierline(home, "doctor", now=NOW).exit_status == 0
    change_schema(home, "feeds/PAYM.yaml", "feed.PAYM", "feed.PAYM")
    (home / "contracts/feeds/PAYM.yaml").rename(home / "PAYM.yaml")
    configuration = home / "tierline.yaml"
    configuration.write_text(configuration.read_text().replace("PAYM, ", ""))
    return home


@pytest.mark.parametrize("command", ["load", "run"])
def test_commands_name_the_contract_that_is_gone(home: Path, command: str) -> None:
    ran = tierline(home, command, now=NOW)
    assert ran.exit_status == 2
    assert SAID in ran.err
    assert TO_DO in ran.err
    (home / "PAYM.yaml").rename(home / "contracts/feeds/PAYM.yaml")
    tierline(home, "load", now=NOW)
    assert in_core(home, "select count(*) from core.payment") == [(3,)]


def test_doctor_names_the_contract_that_is_gone(home: Path) -> None:
    ran = tierline(home, "doctor", now=NOW)
    assert ran.exit_status == 1
    (line,) = [line for line in ran.out.splitlines() if line.startswith("contracts ")]
    assert "failed" in line
    assert SAID in line
    assert TO_DO in line


def test_a_feed_keeps_its_cadence(tmp_path: Path) -> None:
    """Under another one its cycles would be none any more, files that come refused, and its alarms end as if mended."""
    root = tmp_path / "remote"
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    GOOD.put(root)
    assert take(home, now=LATER).exit_status == 0
    alarms = in_ledger(home, "select count(*) from alarm where cleared_at is null")
    assert alarms != [(0,)]
    change_schema(home, *TO_DAILY)
    GOOD.put(root)
    for command in ("fetch", "load", "cycles", "metrics", "digest"):
        ran = tierline(home, command, now=LATER)
        assert (ran.exit_status, ran.out) == (1, "")
        assert ran.err == CADENCE
    assert in_ledger(home, "select count(*) from alarm where cleared_at is null") == alarms
    assert not list(root.glob("request/**/PAYM_110_I_2026112210_0001_*"))
    checked = tierline(home, "doctor", now=LATER)
    (line,) = [line for line in checked.out.splitlines() if line.startswith("contracts ")]
    assert checked.exit_status == 1
    assert CADENCE.removeprefix("tierline: ").strip() in line
    assert "put it back" not in line.rpartition("a feed of its own")[2]
    change_schema(home, TO_DAILY[0], *reversed(TO_DAILY[1:]))
    assert tierline(home, "load", now=LATER).exit_status == 0
