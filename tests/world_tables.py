"""The marts and lists of a world side by side: as a build makes them, and as the oracles read them in the rules."""

from __future__ import annotations

from typing import Any

import duckdb
from mart_province import Row, fill, rows_of
from mart_tables import default_policy
from mart_world import World
from oracle_facts import WorldOracle
from oracle_kpis import kpis, target
from oracle_lists import call_list, card_list, tier_list, warn_list, work_list
from oracle_loyalty import classes
from oracle_value import values
from oracle_warnings import warnings

from warehouse.build import build

Tables = dict[str, dict[Any, Any]]
ABOUT_FEEDS = ("feed_on_time_rate", "feed_first_pass_rate", "reject_rate")
SCORES = ("score", "segment", "clv_fen", "pareto_class")
NO_ROW = "no row"


def differences(expected: Tables, found: Tables) -> list[str]:
    """A line for every key that is missing, too much, or has other values than the rules demand."""
    assert expected.keys() == found.keys()
    return [
        f"{table} {key}: expected {expected[table].get(key, NO_ROW)}, found {found[table].get(key, NO_ROW)}"
        for table in expected
        for key in sorted(expected[table].keys() | found[table].keys(), key=repr)
        if expected[table].get(key, NO_ROW) != found[table].get(key, NO_ROW)
    ]


def make(connection: duckdb.DuckDBPyConnection, world: World) -> None:
    fill(connection, world.rows)
    build(connection, default_policy(), world.as_of, world.bill_month)


def expected_tables(connection: duckdb.DuckDBPyConnection, world: World) -> Tables:
    """By the rules; only the policy's actions come from the warehouse."""
    oracle = WorldOracle(world.rows, world.as_of, world.bill_month)
    numbers = kpis(oracle)
    calls, suppressed = call_list(oracle)
    actions = {(row["class"], row["tier"]): row for row in rows_of(connection, ACTIONS)}
    return {
        "churn_warning": warnings(oracle),
        "loyalty": classes(oracle),
        "value": {key: {name: row[name] for name in SCORES} for key, row in values(oracle).items()},
        "kpi": {key: (*numbers[key], target(key[2], key[3])) for key in numbers},
        "TIER": tier_list(oracle),
        "WARN": warn_list(oracle, actions),
        "CALL": calls,
        "suppressed": dict(suppressed),
        "CARD": card_list(oracle, actions),
        "WORK": work_list(oracle),
        "KPIM": numbers,
    }


ACTIONS = "from policy.action where source = 'ALL'"
SUPPRESSED = """
select campaign, cause, count(*) as call_count from mart.call_choice where cause is not null group by campaign, cause
"""


def found_tables(connection: duckdb.DuckDBPyConnection) -> Tables:
    """By the build."""
    found = {name: rows_of(connection, f"from {name}") for name in (*MARTS, *LISTS)}
    kpi = [row for row in found["mart.kpi"] if row["kpi"] not in ABOUT_FEEDS]
    kpim = [row for row in found["list.kpim"] if row["kpi"] not in ABOUT_FEEDS]
    assert all(row["value"] == row["numerator"] / row["denominator"] for row in kpi)
    assert all(abs(float(row["value"]) - row["numerator"] / row["denominator"]) < 1e-6 for row in kpim)
    return {
        "churn_warning": by(found["mart.churn_warning"], "user_id", without=("source", "evidence")),
        "loyalty": {row["customer_id"]: row["class"] for row in found["mart.loyalty"]},
        "value": by(found["mart.value"], "customer_id", without=("source",)),
        "kpi": {cell(row): (row["numerator"], row["denominator"], row["target"]) for row in kpi},
        "TIER": by(found["list.tier"], "service_number", without=("source",)),
        "WARN": by(found["list.warn"], "user_id", without=("source", "evidence")),
        "CALL": by(found["list.call"], "user_id", without=("source", "reason")),
        "suppressed": {(row["campaign"], row["cause"]): row["call_count"] for row in rows_of(connection, SUPPRESSED)},
        "CARD": by(found["list.card"], "customer_id", "user_id", without=("source",)),
        "WORK": by(found["list.work"], "category", "source_ref", without=("priority", "reason", "source")),
        "KPIM": {cell(row): (row["numerator"], row["denominator"]) for row in kpim},
    }


MARTS = ("mart.churn_warning", "mart.loyalty", "mart.value", "mart.kpi")
LISTS = ("list.tier", "list.warn", "list.call", "list.card", "list.work", "list.kpim")


def by(rows: list[Row], *names: str, without: tuple[str, ...]) -> dict[Any, Row]:
    """Rows by a key, which no two have; without what the rules leave to the writer."""
    keyed = {tuple(row[name] for name in names) if len(names) > 1 else row[names[0]]: row for row in rows}
    assert len(keyed) == len(rows)
    return {
        key: {name: value for name, value in row.items() if name not in (*names, *without)}
        for key, row in keyed.items()
    }


def cell(row: Row) -> tuple[str, str, str, str]:
    return row["month"], row["source"], row["tier"], row["kpi"]
