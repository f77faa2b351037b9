"""Facts in core against a slow reading of the rule: every accepted row is kept, the newest of a key is current."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.checks.staging import REJECT_SCHEMA, staged_schema
from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from warehouse.load import StandingBatch, load
from warehouse.store import make_tables

CONTRACTS = load_contracts(DEFAULT_SCHEMAS)
SCHEMA = staged_schema(CONTRACTS["PAYM"])
KEYS = ["P00001", "P00002", "P00003"]

batches = st.tuples(
    st.sampled_from(["110", "440"]),
    st.sampled_from(["2026112209", "2026112210"]),
    st.sampled_from(["0001", "0002"]),
)


def _stage(directory: Path, place: tuple[str, str, str], version: str, keys: list[str]) -> StandingBatch:
    source, cycle, seq = place
    stem = f"PAYM_{source}_I_{cycle}_{seq}_{version}"
    rows = [dict.fromkeys(SCHEMA) | {"payment_id": key, "batch_stem": stem, "line": n} for n, key in enumerate(keys, 2)]
    pl.DataFrame(rows, schema=SCHEMA).write_parquet(directory / f"{stem}.parquet")
    reject = {"line": 99, "codes": "E401", "columns": "", "record": b"x", "entity_key": None}
    pl.DataFrame([reject], schema=REJECT_SCHEMA).write_parquet(directory / f"{stem}.rejects.parquet")
    paths = (directory / f"{stem}.parquet", directory / f"{stem}.rejects.parquet")
    return StandingBatch(stem, "digest", "PAYM", source, "I", cycle, seq, datetime(2026, 11, 22, 11), *paths)


@pytest.mark.fault(10)
@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate),
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(data=st.data(), places=st.lists(batches, min_size=1, max_size=6, unique=True))
def test_what_stands_decides_whatever_came_and_went(data: st.DataObject, places: list[tuple[str, str, str]]) -> None:
    """Batches and versions come and go; rows that were displaced as current come back, rejects go with their batch."""
    with tempfile.TemporaryDirectory() as scratch, duckdb.connect() as connection:
        connection.execute("attach ':memory:' as warehouse")
        connection.execute("use warehouse")
        make_tables(connection, CONTRACTS)
        made: dict[str, list[str]] = {}
        known: list[StandingBatch] = []
        for place in places:
            for version in ("00", "01"):
                keys = data.draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
                known.append(_stage(Path(scratch), place, version, keys))
                made[known[-1].stem] = keys
        for _ in range(4):
            standing = data.draw(st.lists(st.sampled_from(known), unique_by=lambda each: each.stem[:-3]))
            load(connection, CONTRACTS, standing, [])
            rows = [
                (key, each.cycle, each.source, each.seq, line, each.stem)
                for each in standing
                for line, key in enumerate(made[each.stem], 2)
            ]
            newest = {key: max(row for row in rows if row[0] == key) for key, *_ in rows}
            expected = sorted((*row, row == newest[row[0]]) for row in rows)
            found = connection.execute(
                "select payment_id, cycle, source, seq, line, batch_stem, is_current from core.payment order by all"
            ).fetchall()
            assert found == expected
            rejects = connection.execute("select stem from ops.reject order by stem").fetchall()
            assert rejects == sorted((each.stem,) for each in standing)
