"""What the oracles of warnings, loyalty, value and lists share: states and facts as they stand at the end of a day."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from datetime import date, datetime
from fractions import Fraction
from functools import cache, lru_cache

from mart_oracle import BEST_FIRST, DAY, Oracle, Row, midnight, month_of

TIERED = ("MOB", "FIX")


class WorldOracle(Oracle):
    """Remembers what it has looked up, for worlds that are looked at from many sides."""

    @cache  # noqa: B019 — an oracle lives as long as its world
    def attributes(self, user_id: str, month: str) -> Row:
        return super().attributes(user_id, month)

    @cache  # noqa: B019
    def is_open(self, user_id: str, day: date) -> bool:
        return super().is_open(user_id, day)

    @cache  # noqa: B019
    def is_open_in(self, user_id: str, month: str) -> bool:
        return super().is_open_in(user_id, month)


def months_before(day: date, count: int) -> date:
    """A date minus n months; one that does not exist is the last day of its month."""
    index = day.year * 12 + day.month - 1 - count
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def year_before_end(oracle: Oracle) -> datetime:
    """E less 12 months."""
    return midnight(months_before(oracle.as_of + DAY, 12))


def current(oracle: Oracle, table: str, time: str) -> list[Row]:
    """The facts that count, up to E by their own time."""
    return [row for row in oracle.province[table] if row["is_current"] and row[time] < oracle.end]


def of_user(rows: Iterable[Row], user_id: str | None) -> list[Row]:
    return [row for row in rows if row["user_id"] == user_id]


@lru_cache(maxsize=4)
def subscriber_states(oracle: Oracle) -> dict[str, Row]:
    """The states at D of all subscribers that have one, closed ones too."""
    found = {user_id: oracle.state(history, oracle.as_of) for user_id, history in oracle.subscribers.items()}
    return {user_id: state for user_id, state in found.items() if state is not None}


@lru_cache(maxsize=4)
def customer_states(oracle: Oracle) -> dict[str, Row]:
    """The states at D of all customers that are open."""
    found = {customer_id: oracle.state(history, oracle.as_of) for customer_id, history in oracle.customers.items()}
    return {customer_id: state for customer_id, state in found.items() if state is not None}


def states_of(oracle: Oracle, customer_id: str) -> list[Row]:
    """The states at D that name the customer."""
    return [state for state in subscriber_states(oracle).values() if state["customer_id"] == customer_id]


def is_open(state: Row) -> bool:
    return bool(state["status"] != "9")


@lru_cache(maxsize=4)
def work_orders(oracle: Oracle) -> dict[str, list[Row]]:
    """The periods of every work order that begin before E, in order."""
    found: dict[str, list[Row]] = {}
    for row in sorted(oracle.province["core.work_order"], key=lambda row: row["valid_from"]):
        if row["valid_from"] < oracle.end:
            found.setdefault(row["work_order_id"], []).append(row)
    return found


def last_month_of(oracle: Oracle, state: Row) -> str | None:
    """M of the state's source."""
    return oracle.last_months.get(state["source"])


def bill(oracle: Oracle, user_id: str, month: str | None) -> Row | None:
    return oracle.bills.get((user_id, month)) if month else None


@lru_cache(maxsize=4)
def tiers(oracle: Oracle) -> dict[str, Row]:
    return oracle.tiers()


def tier_at_end(oracle: Oracle, state: Row) -> str:
    """The tier of a subscriber by its state at D: N for other products, that of its last month where it is closed."""
    if not is_open(state):
        return oracle.tier_of_month(state["user_id"], month_of(oracle.as_of)) or "N"
    tier = tiers(oracle).get(state["user_id"])
    return str(tier["tier"]) if tier else "N"


@lru_cache(maxsize=200)
def customer_tier(oracle: Oracle, customer_id: str) -> str:
    """Of the best open subscriber; where none is open, of the best closed one; N where there is none at all."""
    states = states_of(oracle, customer_id)
    open_states = [state for state in states if is_open(state)]
    tiers = [tier_at_end(oracle, state) for state in open_states or states]
    return min(tiers, key=BEST_FIRST.index, default="N")


def half_up(amount: Fraction) -> int:
    whole = amount.numerator // amount.denominator
    return whole + 1 if amount - whole >= Fraction(1, 2) else whole
