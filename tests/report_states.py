"""Two publications of a small world of four sources, made as the command makes them, each with its report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
from mart_province import fill, insert
from mart_tables import default_policy
from mart_world import SOURCES, draw_world
from report_page import ReportPage
from running import make_home

from pipelines.cli.context import close_sites, open_site
from pipelines.publishing import publish
from pipelines.reporting.report import NAMES, write_report
from pipelines.transfer.base import Endpoint
from warehouse.build import build
from warehouse.store import open_warehouse

WORLD = draw_world(3)
ENGLISH, CHINESE = NAMES.values()
# Bills that make others of some, one subscriber gone and one anew; and that a batch came.
CHANGES = """
    update core.bill set total_fen = total_fen * 9 where right(user_id, 1) in ('1', '4') and is_current;
    update core.bill set total_fen = 100 where right(user_id, 1) in ('2', '5') and is_current;
    create temp table found as select user_id from mart.tier order by user_id;
    delete from core.subscriber where user_id = (select min(user_id) from found);
    insert into core.subscriber by name
    select * replace ('U99999' as user_id) from core.subscriber where user_id = (select max(user_id) from found);
    drop table found;
    insert into ops.loaded_batch (stem) values ('BILL_110_I_202602_0002_00')
"""


@dataclass(frozen=True)
class Published:
    """A published state, and what stood in its report when it was at hand."""

    state: Path
    at_hand: dict[str, bytes]

    @cached_property
    def english(self) -> ReportPage:
        return ReportPage(self.state / ENGLISH)

    @cached_property
    def chinese(self) -> ReportPage:
        return ReportPage(self.state / CHINESE)

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The state's database, which has the tables of the warehouse that a report is made from."""
        with duckdb.connect(str(self.state / "current.duckdb"), read_only=True) as connection:
            yield connection

    def changed(self, directory: Path, changes: str) -> ReportPage:
        """The report of a copy of the state with other marts."""
        copy = shutil.copy(self.state / "current.duckdb", directory / "copy.duckdb")
        copy.chmod(0o600)
        with duckdb.connect(str(copy)) as connection:
            connection.execute(changes)
            write_report(connection, directory, self.state.name, (), directory / "current")
        return ReportPage(directory / ENGLISH)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.open() as connection:
            return connection.execute(query).fetchall()


def two_publications(work: Path) -> tuple[Published, Published]:
    extra = "".join(f'  "{each}": {{url: "file://{work}", encoding: utf-8, feeds: [BILL]}}\n' for each in SOURCES[1:])
    home = make_home(work / "home", Endpoint("file", root=str(work)), extra=extra)
    try:
        return _publish(home, "", 0), _publish(home, CHANGES, 1)
    finally:
        close_sites()


def _publish(home: Path, changes: str, day: int) -> Published:
    site = open_site(home)
    as_of = WORLD.as_of + timedelta(days=day)
    with open_warehouse(site.home.warehouse, site.contracts) as connection:
        if not day:
            fill(connection, WORLD.rows)
            insert(connection, "ops.batch", [_batch(source, feed) for source in SOURCES for feed in ("BILL", "CUST")])
            connection.execute("update ops.cycle set is_on_time = source <> '440' where feed = 'BILL'")
        connection.execute(changes)
        build(connection, default_policy(), as_of, WORLD.bill_month)
    with patch.dict(os.environ, {"TIERLINE_NOW": f"{as_of}T23:00:00"}):
        assert publish(site).is_new
    at_hand = {name: (home / "bi" / name).read_bytes() for name in NAMES.values()}
    return Published((home / "bi" / "current").resolve(), at_hand)


def _batch(source: str, feed: str) -> dict[str, object]:
    cycle = "202602" if feed == "BILL" else "20260215"
    return {
        "stem": f"{feed}_{source}_I_{cycle}_0001_00", "feed": feed, "source": source, "mode": "I", "cycle": cycle,
        "seq": "0001", "version": "00", "state": "loaded", "records": 1234, "loaded": 1230, "rejected": 4,
        "offered_no": 1 if source != "310" else 2,
    }  # fmt: skip
