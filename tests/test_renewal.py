"""Renewed marts against whole builds: random worlds of which a few rows change, of every table and in every way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import duckdb
import pytest
from mart_province import Province, Row, fill, insert
from mart_tables import default_policy
from mart_world import DAY, draw_world

import warehouse.touched
from pipelines.contracts.load import load_contracts
from pipelines.contracts.model import Contract
from warehouse.build import build
from warehouse.changes import note_touched, owners_of
from warehouse.renewal import renew
from warehouse.store import make_tables

CONTRACTS = load_contracts()
OWNED = ("user_id", "customer_id")


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse in memory."""
    with duckdb.connect() as opened:
        opened.execute("attach ':memory:' as warehouse")
        opened.execute("use warehouse")
        make_tables(opened, CONTRACTS)
        yield opened


def feeds() -> dict[str, Contract]:
    return {f"core.{contract.table}": contract for contract in CONTRACTS.feeds}


def with_batches(rows: Province) -> Province:
    return {
        table: [row | {"batch_stem": "B"} if table in feeds() else row for row in found]
        for table, found in rows.items()
    }


def former_rows(rows: Province, dice: random.Random) -> Province:
    """What was there before a few rows came, went, ceased to count or ended."""
    former = {table: [dict(row) for row in found] for table, found in rows.items()}
    for table, contract in feeds().items():
        found = former.get(table, [])
        for _ in range(min(dice.choice((0, 1, 2)), len(found))):
            row = dice.choice(found)
            if contract.stateful:
                _take_back(found, row, contract.entity_key)
            elif dice.random() < 0.5:
                found.remove(row)
            else:
                row["is_current"] = not row["is_current"]
            if not contract.stateful and dice.random() < 0.3:
                found.append(row | {"user_id": dice.choice((None, "U00001", "U00002")), "line": 10**6 + len(found)})
    return former


def _take_back(found: list[Row], row: Row, key: str) -> None:
    """An entity without its last period: that before it goes on; of one with a single period nothing is known."""
    periods = sorted((each for each in found if each[key] == row[key]), key=lambda each: each["valid_from"])
    found.remove(periods[-1])
    if len(periods) > 1:
        periods[-2].update(valid_to=None, is_current=True)


def load(connection: duckdb.DuckDBPyConnection, former: Province, rows: Province) -> None:
    """Put the present rows in the place of the former ones, and note what a load would."""
    connection.execute("update ops.load_state set load_no = load_no + 1")
    for table, contract in feeds().items():
        if table not in rows:
            continue
        gone, come = _less(former[table], rows[table]), _less(rows[table], former[table])
        if contract.stateful:
            _note(connection, contract.table, {row[contract.entity_key] for row in gone + come})
            if contract.entity_key not in OWNED:
                _note(connection, owners_of(contract.table), {row["user_id"] for row in gone} - {None})
        else:
            _note(connection, contract.table, set(_bear_on(gone, former)) - {None})
            stem = f"{contract.feed}-{connection.execute('select load_no from ops.load_state').fetchall()[0][0]}"
            for row in rows[table]:
                row["batch_stem"] = stem if row in come else "B"
            batch = {"stem": stem, "digest": "1", "feed": contract.feed}
            insert(connection, "ops.loaded_batch", [batch])
    connection.execute(
        "update ops.loaded_batch set load_no = (select load_no from ops.load_state) where load_no is null"
    )
    fill(connection, {table: found for table, found in rows.items() if table.startswith("core.")})


def _less(rows: list[Row], others: list[Row]) -> list[Row]:
    present = {repr(sorted(row.items())) for row in others}
    return [row for row in rows if repr(sorted(row.items())) not in present]


def _bear_on(rows: list[Row], former: Province) -> Iterator[Any]:
    reversed_ids = {row.get("reversed_payment_id") for row in rows} - {None}
    numbers = {row.get("service_number") for row in rows if row["user_id"] is None} - {None}
    yield from (row["user_id"] for row in rows)
    yield from (row["user_id"] for row in former.get("core.payment", []) if row["payment_id"] in reversed_ids)
    yield from (row["user_id"] for row in former.get("core.subscriber", []) if row["service_number"] in numbers)


def _note(connection: duckdb.DuckDBPyConnection, table: str, entities: set[Any]) -> None:
    listed = ", ".join(f"('{entity}')" for entity in sorted(entities))
    if listed:
        note_touched(connection, table, f"select * from (values {listed}) as found (entity_id)")


def marts(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    tables = connection.execute(
        """
        select schema_name || '.' || table_name from duckdb_tables()
        where database_name = 'warehouse' and schema_name in ('mart', 'list', 'policy')
        """
    ).fetchall()
    return {name: connection.execute(f"from {name} order by all").fetchall() for (name,) in tables}


@pytest.mark.parametrize("seed", [0, 2, 4, 7, 10])
def test_renewed_marts_are_those_of_a_whole_build(connection: duckdb.DuckDBPyConnection, seed: int) -> None:
    world = draw_world(seed)
    present = with_batches(world.rows)
    former = former_rows(present, random.Random(seed))
    fill(connection, former)
    build(connection, default_policy(), world.as_of, world.bill_month)
    for before, after in ((former, present), (present, former)):  # the second rests on what the first renewed
        load(connection, before, after)
        renewed = renew(connection, CONTRACTS, default_policy(), world.as_of, world.bill_month)
        assert renewed is not None
        assert renewed.renewed
    found = marts(connection)
    build(connection, default_policy(), world.as_of, world.bill_month)
    assert differing(found, marts(connection)) == {}


def differing(found: dict[str, list[Any]], expected: dict[str, list[Any]]) -> dict[str, Any]:
    assert found.keys() == expected.keys()
    return {
        name: ([row for row in rows if row not in found[name]], [row for row in found[name] if row not in rows])
        for name, rows in expected.items()
        if rows != found[name]
    }


def test_a_number_bears_on_whom_it_belonged_to(connection: duckdb.DuckDBPyConnection) -> None:
    """Nobody is called to win him back at a number that another got, or that a call to nobody known went to."""
    as_of, number = date(2026, 11, 22), "13800000001"
    begin, closed, later = (datetime(2026, month, 10) for month in (1, 11, 11))
    ends = {"valid_to": None, "is_current": True, "op_time": begin, "batch_stem": "B", "source": "110"}
    customers = [
        {"customer_id": name, "customer_type": "1", "blacklisted": "N", "marketing_consent": "Y", "valid_from": begin}
        for name in ("C1", "C2", "C3")
    ]
    states = [
        {"user_id": "U1", "customer_id": "C1", "status": "1", "valid_from": begin, "open_date": begin.date()},
        {"user_id": "U1", "customer_id": "C1", "status": "9", "valid_from": closed, "open_date": begin.date()},
        {"user_id": "U3", "customer_id": "C3", "status": "1", "valid_from": begin, "open_date": begin.date()},
        {"user_id": "U2", "customer_id": "C2", "status": "1", "valid_from": later, "open_date": later.date()},
    ]
    states = [{"service_number": number, "product": "MOB", "line": 1} | ends | state for state in states]
    states[2] |= {"service_number": "13800000003"}
    states[0] |= {"valid_to": closed, "is_current": False}
    call = {"contact_id": "T1", "user_id": None, "service_number": number, "channel": "OUTBOUND", "source": "110"}
    call |= {"arrived_at": datetime(2026, 11, 21), "is_current": True, "batch_stem": "B", "line": 2}
    unchanged = {"core.customer": [ends | row for row in customers]}
    free = unchanged | {"core.subscriber": states[:3], "core.contact": []}
    fill(connection, free)
    build(connection, default_policy(), as_of)
    assert causes(connection) == [None]
    before = free
    taken, unknown = free | {"core.subscriber": states}, free | {"core.subscriber": states[2:]}
    for after, expected in (
        (taken, ["NUMBER_REASSIGNED"]), (unknown, []), (taken, ["NUMBER_REASSIGNED"]), (free, [None]),
        (free | {"core.contact": [call]}, ["CALLED_LATELY"]), (free, [None]),
    ):  # fmt: skip
        load(connection, before, after)
        assert renew(connection, CONTRACTS, default_policy(), as_of) is not None
        assert causes(connection) == expected
        before = after


def causes(connection: duckdb.DuckDBPyConnection) -> list[Any]:
    """What holds back the calls to win back."""
    rows = connection.execute("select cause from mart.call_choice where campaign = 'WINBACK'").fetchall()
    return [cause for (cause,) in rows]


def test_other_days_policies_and_closed_months_want_a_whole_build(connection: duckdb.DuckDBPyConnection) -> None:
    world = draw_world(1)
    policy = default_policy()
    fill(connection, world.rows)
    assert renew(connection, CONTRACTS, policy, world.as_of, world.bill_month) is None  # nothing was built yet
    build(connection, policy, world.as_of, world.bill_month)
    assert renew(connection, CONTRACTS, policy, world.as_of, world.bill_month) is not None
    assert renew(connection, CONTRACTS, policy, world.as_of + DAY, world.bill_month) is None
    assert renew(connection, CONTRACTS, policy, world.as_of, "202001") is None
    assert renew(connection, CONTRACTS, replace(policy, version=f"{policy.version}x"), world.as_of, None) is None
    connection.execute("update ops.cycle set state = 'open' where feed = 'BILL'")
    assert renew(connection, CONTRACTS, policy, world.as_of, world.bill_month) is None


def test_many_changes_want_a_whole_build(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse.touched, "_MOST_SHARE", 0.01)
    world = draw_world(2)
    present = with_batches(world.rows)
    former = former_rows(present, random.Random(2))
    fill(connection, former)
    build(connection, default_policy(), world.as_of, world.bill_month)
    load(connection, former, present)
    assert renew(connection, CONTRACTS, default_policy(), world.as_of, world.bill_month) is None
