"""The churn rules read word for word."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

from mart_oracle import Oracle, Row, midnight, month_of, shift
from oracle_facts import bill, current, is_open, last_month_of, of_user, subscriber_states

POINTS = {"C1": 30, "C2": 40, "C3": 20, "C4": 25, "C5": 35}


@lru_cache(maxsize=4)
def warnings(oracle: Oracle) -> dict[str, Row]:
    """mart.churn_warning without the evidence, by subscriber."""
    found = {}
    for user_id, state in subscriber_states(oracle).items():
        if not is_open(state):
            continue
        rules = [code for code, fires in RULES.items() if fires(oracle, state)]
        if rules:
            risk = min(100, sum(POINTS[code] for code in rules))
            level = "HIGH" if risk >= 60 else "MEDIUM" if risk >= 30 else "LOW"
            found[user_id] = {"rules": "+".join(rules), "risk": risk, "level": level}
    return found


def since_when(oracle: Oracle, state: Row, statuses: str) -> datetime | None:
    """Begin of the unbroken run of periods with one of the statuses that reaches to E; None where there is none."""
    since = None
    for period in reversed(oracle.subscribers[state["user_id"]]):
        reaches = period["valid_to"] == since  # the last one known: it has no end before E, and since is None
        if not reaches or period["status"] not in statuses:
            break
        since = period["valid_from"]
    return since


def has_long_been_down(oracle: Oracle, state: Row) -> bool:
    since = since_when(oracle, state, "234")
    return since is not None and since <= oracle.end - timedelta(days=5)


def is_in_arrears_since_last_month(oracle: Oracle, state: Row) -> bool:
    since = since_when(oracle, state, "34")
    first = midnight(oracle.as_of.replace(day=1))
    return oracle.as_of.day >= 10 and since is not None and since < first


def lets_prepaid_run_out(oracle: Oracle, state: Row) -> bool:
    if state["pay_mode"] != "PRE" or not has_topped_up(oracle, state["user_id"]):
        return False
    expiry = state["balance_expiry"]
    next_month = shift(month_of(oracle.as_of), 1)
    return state["balance_fen"] < 5000 or (expiry is not None and month_of(expiry) == next_month)


def has_topped_up(oracle: Oracle, user_id: str) -> bool:
    """By more than 300 yuan at once in the 365 days before E, and nobody took that back by E."""
    payments = current(oracle, "core.payment", "paid_at")
    reversed_ids = {row["reversed_payment_id"] for row in payments if row["kind"] == "9"}
    for row in of_user(payments, user_id):
        is_recent = row["paid_at"] >= oracle.end - timedelta(days=365)
        if row["kind"] == "2" and row["amount_fen"] > 30000 and is_recent and row["payment_id"] not in reversed_ids:
            return True
    return False


def spends_much_less(oracle: Oracle, state: Row) -> bool:
    month = last_month_of(oracle, state)
    if month is None:
        return False
    last, before = bill(oracle, state["user_id"], month), bill(oracle, state["user_id"], shift(month, -1))
    if last is None or before is None:
        return False
    return bool(before["total_fen"] > 5000 and last["total_fen"] * 100 <= before["total_fen"] * 60)


def has_fallen_silent(oracle: Oracle, state: Row) -> bool:
    last = bill(oracle, state["user_id"], last_month_of(oracle, state))
    if last is None or last["total_fen"] <= 0 or state["status"] != "1":
        return False
    week = [oracle.as_of - timedelta(days=back) for back in range(7)]
    used = of_user(current(oracle, "core.usage", "started_at"), state["user_id"])
    if any(row["started_at"].date() in week for row in used):
        return False
    complete = {
        row["cycle"]
        for row in oracle.province["ops.cycle"]
        if row["feed"] == "USGE" and row["source"] == state["source"] and row["state"] == "complete"
    }
    return all(day.strftime("%Y%m%d") in complete for day in week)


RULES = {
    "C1": has_long_been_down,
    "C2": is_in_arrears_since_last_month,
    "C3": lets_prepaid_run_out,
    "C4": spends_much_less,
    "C5": has_fallen_silent,
}
