"""What every poll asks of the ledger costs the same, however much ever came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from running import make_home
from sqlalchemy import insert

from pipelines.acknowledging import due_for_acknowledgement
from pipelines.cli.context import close_sites, open_site
from pipelines.due_cycles import due_cycles
from pipelines.ledger.tables import offering
from pipelines.site import Scope, Site
from pipelines.transfer.base import Endpoint
from pipelines.waiting import is_waiting

AT = datetime(2026, 11, 22, 12)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield open_site(make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path))))
    close_sites()


def come(site: Site, count: int) -> None:
    """So many batches, all of them loaded and acknowledged."""
    rows = [
        {"stem": f"PAYM_110_I_{cycle:010d}_0001_00", "feed": "PAYM", "source": "110", "mode": "I", "version": "00",
         "cycle": f"{cycle:010d}", "seq": "0001", "file_name": "x", "state": "loaded", "taken_at": AT,
         "acknowledged_at": AT}
        for cycle in range(count)
    ]  # fmt: skip
    with site.ledger.transaction() as connection:
        connection.execute(insert(offering), rows)


def effort(site: Site, ask: Callable[[], object]) -> int:
    """Instructions of SQLite's machine that answers take, in tens."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    with site.ledger.reading() as connection:  # the pool gives this thread the same one again
        driver = connection.connection.driver_connection
    assert driver is not None
    driver.set_progress_handler(count, 10)
    ask()
    driver.set_progress_handler(None, 10)
    return taken


@pytest.mark.parametrize("question", ["what waits", "what is to be acknowledged", "what is due"])
def test_what_a_poll_asks_is_found_without_reading_all_that_came(site: Site, question: str) -> None:
    def first_due() -> object:
        with site.ledger.reading() as connection:
            return due_cycles(connection, site.config, site.contracts, AT, AT)

    ask = {
        "what waits": lambda: is_waiting(site, Scope()),
        "what is to be acknowledged": lambda: due_for_acknowledgement(site, "110", Scope()),
        "what is due": first_due,
    }[question]
    before = effort(site, ask)
    come(site, 2000)
    assert 0 < effort(site, ask) < before + 50
