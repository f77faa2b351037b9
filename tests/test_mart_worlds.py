"""Warnings, loyalty, value, KPIs and lists of whole builds on random worlds, against a slow reading of the rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date

import duckdb
import pytest
from mart_province import empty_warehouse
from mart_world import draw_world
from oracle_facts import WorldOracle, subscriber_states
from oracle_kpis import kpis
from oracle_lists import CAMPAIGNS, call_list, is_called_lately, work_list
from oracle_loyalty import classes
from oracle_value import values
from oracle_warnings import RULES, warnings
from world_tables import differences, expected_tables, found_tables, make

# Worlds in which values lie on the borders; chance does not meet 29 February.
FEBRUARY = ((11, date(2027, 2, 27)), (12, date(2028, 2, 28)), (13, date(2027, 2, 26)))
WORLDS = (*((seed, None) for seed in (0, 1, 2, 3, 4, 7, 10, 13, 15, 16, 27)), *FEBRUARY)
KPIS = {
    "customer_base", "new_retention_rate", "retention_rate", "customer_share", "complaint_satisfaction", "gross_adds",
    "usage_frequency", "arpu", "churn_rate", "winback_rate", "answer_rate", "answer_in_target_rate", "abandon_rate",
    "complaints_per_10k", "work_order_on_time_rate", "arrears_rate", "top20_revenue_share",
}  # fmt: skip


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return empty_warehouse()


@pytest.mark.parametrize(("seed", "as_of"), WORLDS)
def test_marts_and_lists_are_those_of_the_rules(
    connection: duckdb.DuckDBPyConnection, seed: int, as_of: date | None
) -> None:
    world = draw_world(seed, as_of)
    make(connection, world)
    expected = expected_tables(connection, world)
    wrong = differences(expected, found_tables(connection))
    assert not wrong, "\n".join([f"at {world.as_of}, bill month {world.bill_month}", *wrong[:20]])
    assert min(len(expected[name]) for name in ("churn_warning", "loyalty", "value", "TIER", "CARD")) > 2
    assert len(expected["kpi"]) > 1000


def test_worlds_meet_what_the_rules_tell_apart() -> None:
    seen: Counter[str] = Counter()
    for seed, as_of in WORLDS:
        world = draw_world(seed, as_of)
        seen.update(cases(WorldOracle(world.rows, world.as_of, world.bill_month)))
    assert set(seen) == {*RULES, *LEVELS, *CLASSES, *SEGMENTS, *"ABC", *CAMPAIGNS, *CAUSES, *WORK, *KPIS}
    assert min(seen.values()) >= 3


LEVELS = ("HIGH", "MEDIUM", "LOW")
CLASSES = ("PROSPECT", "LOST", "AT_RISK", "NEW", "INACTIVE", "ADVOCATE", "CORE", "REGULAR")
SEGMENTS = ("KEY", "POTENTIAL", "NORMAL", "TEMPORARY")
CAUSES = ("NUMBER_REASSIGNED", "BLACKLISTED", "NO_CONSENT", "CALLED_LATELY", "CALLED_BY_NUMBER", "OTHER_CAMPAIGN")
WORK = ("COMPLAINT", "RETENTION")


def cases(oracle: WorldOracle) -> Iterator[str]:
    for warning in warnings(oracle).values():
        yield from [*warning["rules"].split("+"), warning["level"]]
    yield from classes(oracle).values()
    for value in values(oracle).values():
        yield from (value["segment"], value["pareto_class"])
    calls, suppressed = call_list(oracle)
    yield from (call["campaign"] for call in calls.values())
    yield from (cause for _, cause in suppressed)
    for state in subscriber_states(oracle).values():
        if is_called_lately(oracle, state, by_number=True) and not is_called_lately(oracle, state, by_number=False):
            yield "CALLED_BY_NUMBER"
    yield from (category for category, _ in work_list(oracle))
    yield from (kpi for (*_, kpi), (numerator, _) in kpis(oracle).items() if numerator > 0)
