"""What must hold at the end of the soak: the ledger, core, rejects and files, held against what the producers know."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
from soak_offers import Slot
from soak_producers import SOURCES, Producers

_TABLES = {"PAYM": "core.payment", "CHNG": "core.subscriber_change", "USER": "core.subscriber_record"}


def broken_rules(home: Path, producers: Producers) -> list[str]:
    """A sentence for every rule that does not hold."""
    with closing(sqlite3.connect(home / "ledger.sqlite")) as ledger:
        found = [*_ledger(ledger, producers)]
    with duckdb.connect(str(home / "warehouse" / "warehouse.duckdb"), read_only=True) as core:
        found += [*_core(core, producers), *_current(core, producers)]
    return [*found, *_files(home, producers)]


def _differences(what: str, found: Counter[Any], expected: Counter[Any]) -> Iterator[str]:
    if found != expected:
        yield f"{what}: not expected {dict([*(found - expected).items()][:5])}, "\
            f"missing {dict([*(expected - found).items()][:5])}"  # fmt: skip


def _ledger(ledger: sqlite3.Connection, producers: Producers) -> Iterator[str]:
    """Each offering is there once, with its end; what was declared was loaded or rejected."""
    expected = Counter(each for slot in producers.slots for each in _ends(slot))
    found = Counter(ledger.execute("select stem, state from offering").fetchall())
    yield from _differences("ledger", found, expected)
    query = "select stem from offering where state = 'loaded' and records <> loaded + rejected"
    for (stem,) in ledger.execute(query):
        yield f"{stem}: records are neither loaded nor rejected"


def _ends(slot: Slot) -> Iterator[tuple[str, str]]:
    yield from slot.ended
    for version, each in slot.accepted.items():
        yield each.offer.stem, "loaded" if version == max(slot.accepted) else "superseded"


def _core(core: duckdb.DuckDBPyConnection, producers: Producers) -> Iterator[str]:
    """Rows and rejects of the batches that stand, and of no other."""
    standing = [(slot.feed, each) for slot in producers.slots if (each := slot.standing)]
    for feed, table in _TABLES.items():
        found = core.execute(f"select batch_stem, count(*) from {table} group by 1").fetchall()
        expected = {each.offer.stem: each.records - each.sheet.bad for of, each in standing if of == feed}
        yield from _differences(table, Counter(dict(found)), Counter(expected))
    found = core.execute("select stem, count(*) from ops.reject group by 1").fetchall()
    expected = {each.offer.stem: each.sheet.bad for _, each in standing if each.sheet.bad}
    yield from _differences("ops.reject", Counter(dict(found)), Counter(expected))


def _current(core: duckdb.DuckDBPyConnection, producers: Producers) -> Iterator[str]:
    """Of the rows with one key that of the greatest cycle, source, SEQ and line is current (payments)."""
    newest: dict[str, tuple[Any, ...]] = {}
    for slot in producers.slots:
        for line, key in slot.standing.sheet.keys.items() if slot.feed == "PAYM" and slot.standing else ():
            place = (slot.cycle, slot.source, slot.seq, line, slot.standing.offer.stem)
            newest[key] = max(place, newest.get(key, place))
    expected = Counter((stem, line, f"P{key}") for key, (*_, line, stem) in newest.items())
    query = "select batch_stem, line, payment_id from core.payment where is_current"
    yield from _differences("current payments", Counter(core.execute(query).fetchall()), expected)


def _files(home: Path, producers: Producers) -> Iterator[str]:
    """No byte that was offered is lost, and nothing is left lying about."""
    for left in _left_over(home, producers.work):
        yield f"left over: {left}"
    places = [home / "archive", home / "quarantine", *(producers.work / source / "backup" for source in SOURCES)]
    kept = {hashlib.sha256(path.read_bytes()).hexdigest() for place in places for path in place.rglob("*.DAT*")}
    for digest in producers.digests.keys() - kept:
        yield f"{producers.digests[digest]}: bytes that were offered are nowhere"
    for slot in producers.slots:
        for stem in {each.offer.stem for each in slot.accepted.values()}:
            if not (producers.root(slot) / "receipt" / slot.feed / f"{stem}.RCP").exists():
                yield f"{stem}: no receipt"


def _left_over(home: Path, work: Path) -> Iterator[Path]:
    yield from (path for path in (home / "landing").rglob("*") if path.is_file())
    yield from (path for ending in ("*.part", "*.tmp") for path in home.rglob(ending))
    yield from (path for source in SOURCES for path in (work / source / "outgoing").rglob("*.*"))
