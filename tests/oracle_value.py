"""Score, segment, lifetime value and Pareto class read word for word."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

from mart_oracle import DAY, Oracle, Row, first_day, month_of, shift
from oracle_facts import customer_states, customer_tier, half_up, is_open, states_of
from oracle_loyalty import complaints

PARTS = ("spend", "tenure", "payment", "products", "growth", "contact")


@lru_cache(maxsize=4)
def values(oracle: Oracle) -> dict[str, Row]:
    """mart.value and the parts of the score, by customer."""
    found = {}
    for customer_id, customer in customer_states(oracle).items():
        states = states_of(oracle, customer_id)
        if any(is_open(state) for state in states):
            found[customer_id] = value_of(oracle, customer, states)
    for source in {row["source"] for row in found.values()}:
        set_pareto_classes({key: row for key, row in found.items() if row["source"] == source})
    return found


def value_of(oracle: Oracle, customer: Row, states: list[Row]) -> Row:
    month = oracle.last_months.get(customer["source"])
    parts = {
        "spend": points(spend(oracle, states, month), ((3000, 0), (8000, 10), (15000, 20), (30000, 30)), 40),
        "tenure": points(longest_tenure(oracle, states), ((6, 0), (12, 5), (36, 10), (60, 15)), 20),
        "payment": payment_points(oracle, states, month),
        "products": {1: 3, 2: 7}.get(len({state["product"] for state in states if is_open(state)}), 10),
        "growth": growth_points(oracle, states, month),
        "contact": {0: 5, 1: 2}.get(complaints(oracle, {state["user_id"] for state in states}), 0),
    }
    score = sum(parts.values())
    return {
        **parts,
        "score": score,
        "segment": segment(score, parts["growth"]),
        "clv_fen": lifetime_value(oracle, customer, states, month),
        "source": customer["source"],
        "month_total_fen": sum(totals(oracle, states, month)),
    }


def points(amount: Fraction | int, bands: Iterable[tuple[int, int]], otherwise: int) -> int:
    return next((gained for bound, gained in bands if amount < bound), otherwise)


def segment(score: int, growth: int) -> str:
    if score >= 70:
        return "KEY"
    if score >= 50 or (growth == 10 and score >= 35):
        return "POTENTIAL"
    return "NORMAL" if score >= 20 else "TEMPORARY"


def spend(oracle: Oracle, states: list[Row], month: str | None) -> Fraction:
    """Sum of the unrounded ARPU3, in fen."""
    if month is None:
        return Fraction(0)
    return sum((oracle.arpu3(state["user_id"], month) or Fraction(0) for state in states), Fraction(0))


def longest_tenure(oracle: Oracle, states: list[Row]) -> int:
    """At D: up to the first day of D's month, which is the tenure at the end of the month before."""
    month = shift(month_of(oracle.as_of), -1)
    return max(oracle.tenure(state["open_date"], month) for state in states if is_open(state))


def bills_of(oracle: Oracle, states: list[Row], month: str | None) -> list[Row]:
    keys = [(state["user_id"], month) for state in states if month is not None]
    return [oracle.bills[user_id, cycle] for user_id, cycle in keys if (user_id, cycle) in oracle.bills]


def totals(oracle: Oracle, states: list[Row], month: str | None) -> list[int]:
    return [row["total_fen"] for row in bills_of(oracle, states, month)]


def year(month: str | None) -> list[str]:
    """M−11…M"""
    return [shift(month, -back) for back in range(12)] if month else []


def payment_points(oracle: Oracle, states: list[Row], month: str | None) -> int:
    rows = [row for past in year(month) for row in bills_of(oracle, states, past)]
    paid = [row for row in rows if row["outstanding_fen"] == 0]
    return half_up(Fraction(len(paid) * 15, len(rows))) if rows else 0


def growth_points(oracle: Oracle, states: list[Row], month: str | None) -> int:
    if month is None:
        return 0
    now, before = sum(totals(oracle, states, month)), sum(totals(oracle, states, shift(month, -3)))
    if before == 0:
        return 0
    return 10 if now * 100 >= before * 120 else 5 if now * 100 >= before * 80 else 0


def lifetime_value(oracle: Oracle, customer: Row, states: list[Row], month: str | None) -> int:
    sums = [sum(found) for past in year(month) if (found := totals(oracle, states, past))]
    if not sums or month is None:
        return 0
    tier = customer_tier(oracle, customer["customer_id"])
    return half_up(Fraction(sum(sums), len(sums)) * expected_months(oracle, customer["source"], tier, month))


@lru_cache(maxsize=100)
def expected_months(oracle: Oracle, source: str, tier: str, month: str) -> Fraction:
    closed = opened = 0
    for user_id in oracle.subscribers:
        for past in year(month):
            if oracle.attributes(user_id, past)["source"] == source and oracle.tier_of_month(user_id, past) == tier:
                closed += sum(1 for day in oracle.closings(user_id) if month_of(day) == past)
                opened += int(oracle.is_open(user_id, first_day(past) - DAY))
    return min(Fraction(60), Fraction(opened, closed)) if closed and opened else Fraction(60)


def set_pareto_classes(rows: dict[str, Row]) -> None:
    """Of the customers of one source."""
    whole = sum(row["month_total_fen"] for row in rows.values())
    before = 0
    for _, row in sorted(rows.items(), key=lambda item: (-item[1]["month_total_fen"], item[0])):
        row["pareto_class"] = "A" if before * 100 < whole * 80 else "B" if before * 100 < whole * 95 else "C"
        before += row["month_total_fen"]
