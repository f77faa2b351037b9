"""Every scenario of the fixtures, by the real command, on real servers: what the interface demands is what happens."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from running import Run, make_home, tierline

from pipelines.config import load_config
from pipelines.ledger.leading import leading
from pipelines.ledger.store import LedgerStore
from pipelines.transfer.base import Endpoint
from sftp_fixtures.scenario import Scenario, Step, load_scenarios
from sftp_fixtures.servers import sftp_server
from sftp_fixtures.sshd import sshd_server
from sftp_fixtures.vsftpd import vsftpd_server

SCENARIOS = load_scenarios()
SERVERS = {"asyncssh": sftp_server, "sshd": sshd_server, "vsftpd": vsftpd_server}


def _pairs() -> Iterator[tuple[str, Scenario]]:
    """Every scenario on OpenSSH, and on each other server every third: their own tests try them call by call."""
    for place, server in enumerate(SERVERS):
        for number, scenario in enumerate(SCENARIOS):
            if server == "sshd" or number % 3 == place:
                yield server, scenario


@pytest.fixture(scope="module")
def exchange(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Endpoint, Path]]:
    """A server and the directory behind it, emptied for every scenario."""
    root = tmp_path_factory.mktemp(request.param)
    with SERVERS[request.param](root) as endpoint:
        yield endpoint, root


@pytest.mark.fault(6, 10, 12, 22)
@pytest.mark.parametrize(
    ("exchange", "scenario"),
    list(_pairs()),
    ids=[f"{server}-{scenario.name}" for server, scenario in _pairs()],
    indirect=["exchange"],
)
def test_scenario(scenario: Scenario, exchange: tuple[Endpoint, Path], tmp_path: Path) -> None:
    endpoint, root = exchange
    for entry in root.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    source = scenario.source
    home = make_home(tmp_path / "home", endpoint, source, scenario.sources[source]["encoding"])
    assert scenario.steps, "a scenario without steps shows nothing"
    for step in scenario.steps:
        if step.files is not None:
            shutil.copytree(step.files, root, dirs_exist_ok=True)
        ran = tierline(home, "run", now=step.now.isoformat())
        _compare(step, ran, home, root)


def _compare(step: Step, ran: Run, home: Path, root: Path) -> None:
    if step.exit_status is not None:
        assert ran.exit_status == step.exit_status, ran.out + ran.err
    assert ran.exit_status in (0, 3, 4), ran.out + ran.err
    _compare_ledger(step, home)
    _compare_server(step, root)
    with duckdb.connect(str(home / "bi" / "current.duckdb"), read_only=True) as state:
        for table, count in step.rows.items():
            assert state.execute(f"select count(*) from {table} where is_current").fetchall() == [(count,)], table
        cycles = state.execute("select concat_ws('_', feed, source, mode, cycle), state from ops.cycle").fetchall()
        assert dict(cycles) | step.cycles == dict(cycles)
        for query, rows in step.queries.items():
            found = [
                [None if value is None else str(value) for value in row] for row in state.execute(query).fetchall()
            ]
            assert found == [list(row) for row in rows], query
        rejects = state.execute(
            "select stem, line || '|' || codes || '|' || columns from ops.reject order by stem, line"
        )
        found_rejects: dict[str, list[str]] = {}
        for stem, reject in rejects.fetchall():
            found_rejects.setdefault(stem, []).append(reject)
    for stem, expected in step.rejects.items():
        in_file = (root / "receipt" / stem[:4] / f"{stem}.REJ").read_bytes().splitlines()
        assert [line.split(b"|", 3)[:3] for line in in_file] == [each.encode().split(b"|") for each in expected]
        if step.batches.get(stem, {}).get("state") == "loaded":
            assert found_rejects.get(stem) == list(expected)


def _compare_ledger(step: Step, home: Path) -> None:
    ledger = LedgerStore(load_config(home).ledger_url(home))
    with ledger.transaction() as connection:
        batches = {each.stem: each for each in leading(connection)}
    ledger.close()
    for stem, columns in step.batches.items():
        found = {name: getattr(batches[stem], name) for name in columns}
        assert found == dict(columns), (stem, batches[stem])


def _compare_server(step: Step, root: Path) -> None:
    for stem, status in step.receipts.items():
        receipt = (root / "receipt" / stem[:4] / f"{stem}.RCP").read_text().split("|")
        assert receipt[1] == status, receipt
    if step.left is not None:
        assert _files(root / "outgoing") == sorted(step.left)
    if step.requests is not None:
        assert _files(root / "request") == sorted(step.requests)
    assert not list((root / "receipt").rglob("*.tmp")), "a receipt was left half written"


def _files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())
