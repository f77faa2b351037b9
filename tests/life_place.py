"""A home with its sources, on which the steps are called in this process; and what a model says of it."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from history_oracle import ATTRIBUTES
from life_model import Model
from offers import files, ledger
from random_life import KEYS, SOURCES, Batch
from running import published

from pipelines.cli.context import open_site
from pipelines.fetching import fetch
from pipelines.publishing import publish
from pipelines.site import Scope, Site
from pipelines.steps import build, load

AS_OF = date(2026, 11, 20)
EVERYTHING = Scope()
_FEEDS = "[USER, CUST, PAYM, CHNG]"
_OPS = ("ops.reject", "ops.snapshot", "ops.snapshot_reject")


def configure(work: Path) -> None:
    lines = ["sources:"]
    for source in SOURCES:
        (work / source / "outgoing").mkdir(parents=True, exist_ok=True)
        lines += [f'  "{source}":', f"    url: file://{work / source}", "    encoding: utf-8", f"    feeds: {_FEEDS}"]
    (work / "home").mkdir(exist_ok=True)
    (work / "home" / "tierline.yaml").write_text("\n".join(lines) + "\n")


class Place:
    """A home with its sources, at work."""

    def __init__(self, work: Path, empty: Path) -> None:
        shutil.copytree(empty, work, symlinks=True, dirs_exist_ok=True)
        configure(work)
        self.work, self.home = work, work / "home"
        self.site: Site = open_site(self.home)

    def put(self, batch: Batch) -> bytes | None:
        """The bytes offered; None where the stem still lies there: a producer does not write over a file."""
        root = self.work / batch.source
        offer = batch.offer()
        return None if (root / "outgoing" / batch.feed / offer.name).exists() else offer.put(root)

    def settle(self) -> None:
        fetched = fetch(self.site, EVERYTHING)
        loaded = load(self.site, EVERYTHING)
        assert (fetched.errors, loaded.errors, loaded.checked.failed) == ({}, {}, [])

    def outgoing(self) -> list[Path]:
        return [path for source in SOURCES for path in (self.work / source / "outgoing").rglob("*.*")]

    def publish(self) -> None:
        build(self.site, AS_OF)
        publish(self.site)

    def core(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table that loads fill."""
        with duckdb.connect(str(self.home / "warehouse" / "warehouse.duckdb"), read_only=True) as connection:
            names = connection.execute(
                "select table_name from duckdb_columns() where schema_name = 'core' and column_name = 'batch_stem'"
            ).fetchall()
            tables = [f"core.{name}" for (name,) in names] + ["core.plan", *_OPS]
            return {each: connection.execute(f"from {each} order by all").fetchall() for each in tables}


def check_ledger(place: Place, model: Model) -> None:
    """Each offering once, with its end; and no byte that was offered is lost (rules 2, 4, 7)."""
    found = ledger(place.home)
    assert Counter((each.stem, each.state.value) for each in found) == Counter(model.states())
    loaded = {each.stem: (each.records, each.loaded, each.rejected) for each in found if each.state == "loaded"}
    for each in model.standing():
        sound = len(list(each.batch.sound()))
        assert loaded[each.batch.stem] == (len(each.batch.rows), sound, len(each.batch.rows) - sound)
    kept = {hashlib.sha256(content).hexdigest() for directory in ("archive", "quarantine")
            for content in files(place.home / directory).values()}  # fmt: skip
    assert {hashlib.sha256(each.content).hexdigest() for each in model.offered} <= kept


def check_core(home: Path, model: Model) -> None:
    """What the batches that stand say, read plainly (rules 1, 3, 4, 5)."""
    with duckdb.connect(str(home / "warehouse" / "warehouse.duckdb"), read_only=True) as core:
        query = "select batch_stem, line, payment_id, amount_fen, source, is_current from core.payment"
        assert set(core.execute(query).fetchall()) == {
            (stem, line, KEYS["PAYM"] + row.key, row.amount, batch.source, is_current)
            for (stem, line), (batch, row, is_current) in model.facts("PAYM").items()
        }
        query = "select batch_stem, line, change_id, user_id, change_type, is_current from core.subscriber_change"
        assert set(core.execute(query).fetchall()) == {
            (stem, line, KEYS["CHNG"] + row.key, f"U0000{row.entity}", row.kind, is_current)
            for (stem, line), (_, row, is_current) in model.facts("CHNG").items()
        }
        names = (*ATTRIBUTES, "source")
        columns = f"user_id, valid_from, valid_to, is_current, {', '.join(names)}"
        assert core.execute(f"select {columns} from core.subscriber order by 1, 2").fetchall() == [
            (key, begun, ended, ended is None, *(state[name] for name in names))
            for key, begun, ended, state in model.periods("USER")
        ]
        columns = "customer_id, valid_from, valid_to, is_current, customer_name, credit_class, source"
        assert core.execute(f"select {columns} from core.customer order by 1, 2").fetchall() == [
            (key, begun, ended, ended is None, state["customer_id"], state["service_number"], state["source"])
            for key, begun, ended, state in model.periods("CUST")
        ]
        rejects = core.execute("select stem, line, string_split(codes, '+') from ops.reject order by all").fetchall()
        assert [(stem, line, sorted(codes)) for stem, line, codes in rejects] == model.rejects()


def check_published(place: Place) -> None:
    """The private state has what the warehouse has, and so has the other but for what is masked (rule 6)."""
    hidden = {each.name for feed in place.site.contracts.feeds for each in feed.stored_columns if each.mask}
    state = published(place.home)
    with duckdb.connect(str(place.home / "warehouse" / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute(f"attach '{place.home / 'bi' / 'current.duckdb'}' as masked (read_only)")
        compared = [name for name in state if name.startswith(("core.", "mart.", "policy.", "ops.reject"))]
        assert len(compared) > 30
        for name in compared:
            columns = [f'"{column}"' for column, *_ in connection.execute(f"describe {name}").fetchall()]
            shown = connection.execute(f"describe masked.{name}").fetchall()
            listed = ", ".join(f'"{column}"' for column, *_ in shown)
            assert sorted(columns) == sorted(f'"{column}"' for column, *_ in shown)
            assert state[name] == connection.execute(f"select {listed} from {name} order by all").fetchall(), name
            open_ones = ", ".join(f'"{column}"' for column, *_ in shown if column not in hidden)
            query = f"select {open_ones} from {{}} order by all"
            found, expected = (connection.execute(query.format(each)).fetchall() for each in (f"masked.{name}", name))
            assert found == expected, name
