"""The published lists read word for word: full lists, as if nothing had been published before."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal

from mart_oracle import DAY, Oracle, Row, midnight, month_of
from oracle_facts import (
    TIERED,
    bill,
    current,
    customer_states,
    is_open,
    last_month_of,
    of_user,
    subscriber_states,
    tier_at_end,
    tiers,
    work_orders,
)
from oracle_loyalty import classes
from oracle_value import values
from oracle_warnings import warnings

SERVICE = {
    "D": {"priority": 1, "ivr_entry": "DIRECT", "skill_group": "SK_DIAMOND", "overflow": ("SK_GOLD", 10)},
    "G": {"priority": 2, "ivr_entry": "SHORT", "skill_group": "SK_GOLD", "overflow": ("SK_SILVER", 15)},
    "S": {"priority": 3, "ivr_entry": "SHORT", "skill_group": "SK_SILVER", "overflow": ("SK_GENERAL", 20)},
    "N": {"priority": 4, "ivr_entry": "FULL", "skill_group": "SK_GENERAL", "overflow": (None, None)},
}
Actions = dict[tuple[str, str], Row]
CAMPAIGNS = ("ARREARS", "RETAIN", "WINBACK", "CARE", "SURVEY")


def kpim_value(numerator: int, denominator: int) -> Decimal:
    """The value of KPIM: numerator / denominator, half up to six places."""
    millionths, rest = divmod(10**6 * abs(numerator), denominator)
    rounded = Decimal(millionths + (2 * rest >= denominator)).scaleb(-6)
    return -rounded if numerator < 0 else rounded


def tier_list(oracle: Oracle) -> dict[str, Row]:
    """TIER by service number: of several subscribers the one opened last, then the greatest."""
    found: dict[str, Row] = {}
    states = subscriber_states(oracle)
    for user_id, row in sorted(tiers(oracle).items(), key=lambda item: (states[item[0]]["open_date"], item[0])):
        service = {**SERVICE[row["tier"]]}
        group, seconds = service.pop("overflow")  # type: ignore[misc]
        found[states[user_id]["service_number"]] = {
            "op": "I",
            "user_id": user_id,
            **{name: row[name] for name in ("tier", "reason", "flag")},
            **service,
            "overflow_group": group,
            "overflow_after_s": seconds,
            "valid_from": oracle.as_of,
        }
    return found


def warn_list(oracle: Oracle, actions: Actions) -> dict[str, Row]:
    """WARN by subscriber, without evidence; actions by class and tier."""
    states, known = subscriber_states(oracle), classes(oracle)
    found = {}
    for user_id, warning in warnings(oracle).items():
        state = states[user_id]
        month = last_month_of(oracle, state)
        found[user_id] = {
            "customer_id": state["customer_id"],
            "service_number": state["service_number"],
            "tier": tier_at_end(oracle, state),
            **warning,
            "arpu3_fen": oracle.rounded(oracle.arpu3(user_id, month)) if month else None,
            "action": _action(known, state["customer_id"], tier_at_end(oracle, state), actions).get("action"),
        }
    return found


def _action(known: dict[str, str], customer_id: str, tier: str, actions: Actions) -> Row:
    """Of the customer's class and the tier that the row shows; nothing for a customer without a class."""
    return actions[known[customer_id], tier] if customer_id in known else {}


def call_list(oracle: Oracle) -> tuple[dict[str, Row], Counter[tuple[str, str]]]:
    """CALL by subscriber, and how many of a campaign were suppressed for a cause (the first that holds)."""
    customers, suppressed = customer_states(oracle), Counter[tuple[str, str]]()
    found: dict[str, Row] = {}
    for campaign in CAMPAIGNS:
        for user_id, state in subscriber_states(oracle).items():
            if state["product"] not in TIERED or not CALLED[campaign](oracle, state):
                continue
            cause = _cause(oracle, campaign, state, customers.get(state["customer_id"]), found)
            if cause:
                suppressed[campaign, cause] += 1
            else:
                found[user_id] = {
                    "campaign": campaign,
                    "customer_id": state["customer_id"],
                    "service_number": state["service_number"],
                    "tier": tier_at_end(oracle, state),
                    "priority": SERVICE[tier_at_end(oracle, state)]["priority"],
                    "not_before": "09:00",
                    "not_after": "20:00",
                    "script_code": f"CALL_{campaign}",
                }
    return found, suppressed


def _cause(oracle: Oracle, campaign: str, state: Row, customer: Row | None, called: dict[str, Row]) -> str | None:
    if campaign == "WINBACK" and state["service_number"] in open_numbers(oracle):
        return "NUMBER_REASSIGNED"
    if customer is not None and customer["blacklisted"] == "Y":
        return "BLACKLISTED"
    if campaign != "ARREARS" and (customer is None or customer["marketing_consent"] != "Y"):
        return "NO_CONSENT"
    if is_called_lately(oracle, state, by_number=False) or is_called_lately(oracle, state, by_number=True):
        return "CALLED_LATELY"
    return "OTHER_CAMPAIGN" if state["user_id"] in called else None


def open_numbers(oracle: Oracle) -> set[str]:
    """The numbers of open subscribers: who calls one reaches these."""
    return {state["service_number"] for state in subscriber_states(oracle).values() if is_open(state)}


def is_called_lately(oracle: Oracle, state: Row, *, by_number: bool) -> bool:
    """By OUTBOUND in the last 7 days; a contact that names nobody is with whom has its number at D."""
    contacts = current(oracle, "core.contact", "arrived_at")
    if by_number:
        contacts = [row for row in of_user(contacts, None) if row["service_number"] == state["service_number"]]
    else:
        contacts = of_user(contacts, state["user_id"])
    week = oracle.end - timedelta(days=7)
    return any(row["channel"] == "OUTBOUND" and row["arrived_at"] >= week for row in contacts)


def overdue_fen(oracle: Oracle, user_id: str) -> int:
    """Outstanding of bills that are issued and were due before D."""
    bills = [row for (billed, _), row in oracle.bills.items() if billed == user_id]
    due = [row for row in bills if row["issued_at"] < oracle.end and row["due_date"] < oracle.as_of]
    return sum(row["outstanding_fen"] for row in due)


def _is_in_arrears(oracle: Oracle, state: Row) -> bool:
    return state["status"] in ("1", "3") and overdue_fen(oracle, state["user_id"]) > 0


def _may_leave(oracle: Oracle, state: Row) -> bool:
    return warnings(oracle).get(state["user_id"], {}).get("level") == "HIGH"


def _has_left(oracle: Oracle, state: Row) -> bool:
    """It stands closed at D, and was closed after D−30."""
    if is_open(state):
        return False
    closed_on = _closed_on(oracle.subscribers[state["user_id"]])
    return closed_on is not None and closed_on > oracle.as_of - timedelta(days=30)


def _closed_on(history: list[Row]) -> date | None:
    """The last closing day; None where it ended by `D` or absence, though status 9 came later."""
    last_open = max((place for place, period in enumerate(history) if is_open(period)), default=None)
    if last_open is None:
        return history[0]["close_date"]
    ended, following = history[last_open], history[last_open + 1]
    return following["valid_from"].date() if following["valid_from"] == ended["valid_to"] else None


def _has_birthday(oracle: Oracle, state: Row) -> bool:
    customer = customer_states(oracle).get(state["customer_id"])
    if customer is None or customer["customer_type"] != "1" or customer["birth_date"] is None:
        return False
    if not is_open(state) or tier_at_end(oracle, state) not in "DG":
        return False
    return any(is_birthday(customer["birth_date"], oracle.as_of + ahead * DAY) for ahead in range(3))


def is_birthday(born: date, day: date) -> bool:
    """One of 29 February has it on the last day of the month in other years."""
    is_leap_child = (born.month, born.day) == (2, 29)
    stands_in = is_leap_child and (day.month, day.day) == (2, 28) and (day + DAY).month == 3
    return (born.month, born.day) == (day.month, day.day) or stands_in


def _complained(oracle: Oracle, state: Row) -> bool:
    """A complaint's work order of it was closed on D−2 to D and is not rated."""
    begin = midnight(oracle.as_of - timedelta(days=2))
    for periods in work_orders(oracle).values():
        order = periods[-1]
        if order["user_id"] == state["user_id"] and order["category"] == "COMPLAINT" and order["satisfaction"] is None:
            closed_at = order["closed_at"]
            if is_open(state) and closed_at is not None and begin <= closed_at < oracle.end:
                return True
    return False


CALLED = dict(zip(CAMPAIGNS, (_is_in_arrears, _may_leave, _has_left, _has_birthday, _complained), strict=True))


def card_list(oracle: Oracle, actions: Actions) -> dict[tuple[str, str | None], Row]:
    """CARD by customer and subscriber: every subscriber with a state at D, and customers without any."""
    known, valued, warned, customers = classes(oracle), values(oracle), warnings(oracle), customer_states(oracle)
    found: dict[tuple[str, str | None], Row] = {}
    rows = [(state["customer_id"], state) for state in subscriber_states(oracle).values()]
    rows += [(customer_id, {}) for customer_id, kind in known.items() if kind == "PROSPECT"]
    for customer_id, state in rows:
        user_id, tier = state.get("user_id"), tier_at_end(oracle, state) if state else "N"
        found[customer_id, user_id] = {
            **{name: state.get(name) for name in ("service_number", "status", "plan_code", "balance_fen")},
            "customer_name": customers.get(customer_id, {}).get("customer_name"),
            "tier": tier,
            "loyalty_class": known.get(customer_id),
            "segment": valued.get(customer_id, {}).get("segment"),
            "risk": warned.get(str(user_id), {}).get("risk", 0),
            "advice": _action(known, customer_id, tier, actions).get("advice"),
            **_desk_facts(oracle, state.get("user_id", "")),
        }
    return found


def _desk_facts(oracle: Oracle, user_id: str) -> Row:
    reach = max([*oracle.last_months.values(), ""])
    months = [cycle for billed, cycle in oracle.bills if billed == user_id]
    over = [cycle for cycle in months if cycle < month_of(oracle.as_of) or cycle <= reach]
    last_bill = bill(oracle, user_id, max(over, default=None))
    issued = [row for (billed, _), row in oracle.bills.items() if billed == user_id and row["issued_at"] < oracle.end]
    payments = current(oracle, "core.payment", "paid_at")
    reversed_ids = {row["reversed_payment_id"] for row in payments}
    paid = [row for row in of_user(payments, user_id) if row["kind"] in "123" and row["payment_id"] not in reversed_ids]
    payment = max(paid, key=lambda row: (row["paid_at"], row["payment_id"]), default={})
    contacts = of_user(current(oracle, "core.contact", "arrived_at"), user_id)
    contact = max(contacts, key=lambda row: (row["arrived_at"], row["contact_id"]), default={})
    orders = [periods[-1] for periods in work_orders(oracle).values()]
    return {
        "last_bill_total_fen": last_bill["total_fen"] if last_bill else None,
        "outstanding_fen": sum(row["outstanding_fen"] for row in issued),
        "last_payment_at": payment.get("paid_at"),
        "last_payment_fen": payment.get("amount_fen"),
        "open_work_orders": sum(1 for row in of_user(orders, user_id) if row["status"] != "CLOSED"),
        "last_contact_at": contact.get("arrived_at"),
        "last_purpose": contact.get("purpose"),
    }


DUE_H = {"D": 12, "G": 24, "S": 36, "N": 48}


def work_list(oracle: Oracle) -> dict[tuple[str, str], Row]:
    """WORK by category and what it follows; complaints of D−6…D, as the policy has it."""
    states = subscriber_states(oracle)

    def follow_up(user_id: str, since: datetime) -> Row:
        return {"user_id": user_id, "due_at": since + timedelta(hours=DUE_H[tier_at_end(oracle, states[user_id])])}

    orders = [periods[-1] for periods in work_orders(oracle).values()]
    at_work = {row["user_id"] for row in orders if row["category"] == "RETENTION" and row["status"] != "CLOSED"}
    leaving = {user_id for user_id, row in warnings(oracle).items() if row["level"] == "HIGH"}
    followed = {row["contact_id"] for row in orders}
    found = {
        ("RETENTION", f"WARN-{oracle.as_of:%Y%m%d}-{user_id}"): follow_up(user_id, oracle.end)
        for user_id in leaving - at_work
    }
    for row in current(oracle, "core.contact", "arrived_at"):
        is_followed = row["work_order_id"] is not None or row["contact_id"] in followed
        is_recent = row["arrived_at"] >= oracle.end - timedelta(days=7)
        is_known = row["user_id"] in states
        if row["purpose"] == "COMPLAINT" and is_recent and is_known and not is_followed:
            found["COMPLAINT", row["contact_id"]] = follow_up(row["user_id"], row["arrived_at"])
    return found
