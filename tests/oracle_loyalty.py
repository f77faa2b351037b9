"""The loyalty classes read word for word."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from functools import lru_cache

from mart_oracle import Oracle, Row
from oracle_facts import (
    current,
    customer_states,
    is_open,
    months_before,
    of_user,
    states_of,
    tier_at_end,
    work_orders,
    year_before_end,
)
from oracle_warnings import warnings


@lru_cache(maxsize=4)
def classes(oracle: Oracle) -> dict[str, str]:
    """mart.loyalty, by customer."""
    warned = warnings(oracle)
    return {customer_id: class_of(oracle, customer_id, warned) for customer_id in customer_states(oracle)}


def class_of(oracle: Oracle, customer_id: str, warned: dict[str, Row]) -> str:
    states = states_of(oracle, customer_id)
    open_states = [state for state in states if is_open(state)]
    if not states:
        return "PROSPECT"
    if not open_states:
        return "LOST"
    levels = {warned[state["user_id"]]["level"] for state in open_states if state["user_id"] in warned}
    earliest = min(state["open_date"] for state in states)
    if levels & {"HIGH", "MEDIUM"}:
        return "AT_RISK"
    if earliest > months_before(oracle.as_of, 3):
        return "NEW"
    if not any(is_active(oracle, state["user_id"]) for state in open_states):
        return "INACTIVE"
    has_high_tier = any(tier_at_end(oracle, state) in "DG" for state in open_states)
    if has_high_tier and earliest <= months_before(oracle.as_of, 24):
        return "ADVOCATE" if is_content(oracle, states) else "CORE"
    return "REGULAR"


def is_active(oracle: Oracle, user_id: str) -> bool:
    """A usage record or a payment, of whatever kind, on D−29…D."""
    begin = oracle.end - timedelta(days=30)
    used = of_user(current(oracle, "core.usage", "started_at"), user_id)
    paid = of_user(current(oracle, "core.payment", "paid_at"), user_id)
    return any(row["started_at"] >= begin for row in used) or any(row["paid_at"] >= begin for row in paid)


def is_content(oracle: Oracle, states: list[Row]) -> bool:
    """At least 2 ratings with a mean of 4.5 and no complaint, over the 12 months before E."""
    user_ids = {state["user_id"] for state in states}
    if complaints(oracle, user_ids):
        return False
    given = ratings(oracle, user_ids)
    return len(given) >= 2 and Fraction(sum(given), len(given)) >= Fraction(9, 2)


def complaints(oracle: Oracle, user_ids: set[str]) -> int:
    begin = year_before_end(oracle)
    return sum(
        1
        for row in current(oracle, "core.contact", "arrived_at")
        if row["user_id"] in user_ids and row["purpose"] == "COMPLAINT" and row["arrived_at"] >= begin
    )


def ratings(oracle: Oracle, user_ids: set[str]) -> list[int]:
    """Of contacts by arrived_at; of work orders the last that was given, by the record that gave it."""
    begin = year_before_end(oracle)
    found = [
        row["satisfaction"]
        for row in current(oracle, "core.contact", "arrived_at")
        if row["user_id"] in user_ids and row["satisfaction"] is not None and row["arrived_at"] >= begin
    ]
    for periods in work_orders(oracle).values():
        rated = [period for period in periods if period["satisfaction"] is not None]
        if rated and rated[-1]["user_id"] in user_ids and rated[-1]["op_time"] >= begin:
            found.append(rated[-1]["satisfaction"])
    return found
