"""A contract that is taken away while batches of its feed stand in the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest
from offers import GOOD, NOW, change_schema, customers, in_core
from running import make_home, tierline

from pipelines.transfer.base import Endpoint

SAID = "PAYM: expected a contract for each feed of which batches stand or are asked for, found none"
TO_DO = "put feeds/PAYM.yaml back"


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
