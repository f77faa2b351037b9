"""The command doctor over a home of an older release: it looks, warns, and leaves the way back open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from offers import payments
from running import make_home, tierline
from test_ledger import Place
from test_ledger_growth import NOW, STEM, content, execute, released, version_of

from pipelines.errors import StoreError
from pipelines.ledger.store import VERSION
from pipelines.transfer.base import Endpoint
from sftp_fixtures.postgres import Postgres, postgres_server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A ledger that release 2 made."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        return released(Place(server.trusted_url(server.new_database()), None))
    return released(Place(f"sqlite:///{tmp_path / 'ledger.sqlite'}", None))


@pytest.fixture
def home(tmp_path: Path, place: Place) -> Path:
    (tmp_path / "remote").mkdir()
    return make_home(
        tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")), extra=f'ledger: "{place.url}"\n'
    )


def test_an_older_ledger_is_looked_at_and_not_brought_along(home: Path, place: Place) -> None:
    before = content(place)
    lines = tierline(home, "doctor", now=NOW).out.splitlines()
    assert content(place) == before
    (line,) = [line for line in lines if line.startswith("ledger ")]
    for words in (" warning ", f"version 2; the next other command makes it {VERSION}", "copy ledger and warehouse/"):
        assert words in line
    (contracts,) = [line for line in lines if line.startswith("contracts ")]
    assert "1 feeds in the ledger, each with its contract" in contracts
    assert f"{STEM}_01" in tierline(home, "batches", now=NOW).out
    assert version_of(place) == [f"({VERSION},)"]
    (line,) = [line for line in tierline(home, "doctor", now=NOW).out.splitlines() if line.startswith("ledger ")]
    assert " ok " in line


def test_a_release_that_is_too_old_says_the_way_back(place: Place) -> None:
    execute(place, f"update ledger_version set version = {VERSION + 1}")
    said = (
        f"found version {VERSION + 1}; use the release of Tierline that made it, or put back the copy of ledger and "
        "warehouse/ from before the upgrade"
    )
    with pytest.raises(StoreError, match=said), place.open():
        pass


def test_a_warehouse_of_other_contracts_is_looked_at_and_left(tmp_path: Path) -> None:
    """What the next load makes of it doctor does not: an older release would not open it any more."""
    payments("PAYM_110_I_2026112201_0001_00", "CARD").put(tmp_path / "remote")
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    for step in ("fetch", "load"):
        tierline(home, step, now=NOW)
    warehouse = home / "warehouse" / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("update ops.made_for set fingerprint = 'of an older release'")
        connection.execute("drop table ops.history_term")
    before = warehouse.read_bytes()
    found = tierline(home, "doctor", now=NOW).out
    assert re.search(r"warehouse +ok +opens; version \d+; 1 batches loaded", found), found
    assert warehouse.read_bytes() == before
