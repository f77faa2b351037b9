"""The rules of the eight feeds (02-feeds.md), written out one after the other for `row_oracle`.

Three-valued, as the contracts say: a rule that needs a value which is missing or cannot be read is not broken.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from row_oracle import Feed
from row_oracle_fields import (
    CODES,
    EMAIL,
    NUMBER_OF_OTHERS,
    PHONE,
    SIX_DIGITS,
    SKILL_GROUP,
    Cycle,
    Row,
    credit_code,
    resident_id,
)

from sftp_fixtures.records import columns


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def within(row: Row, name: str, at: datetime | None, cycle: Cycle, days_before: int) -> None:
    if at is not None and not cycle.start - timedelta(days=days_before) <= at < cycle.end:
        row.fault("E407", name)


def cust(row: Row, cycle: Cycle) -> None:
    op = row.code("op", CODES["op"], required=True)
    row.needs = ("op", "op_time", "customer_id") if op == "D" else None
    op_time = row.timestamp("op_time", required=True)
    row.id("customer_id", required=True)
    row.code("customer_type", CODES["customer_type"], required=True)
    row.text("customer_name", 100, required=True)
    id_type = row.code("id_type", CODES["id_type"])
    id_number = row.text("id_number", 30)
    row.code("gender", CODES["gender"])
    birth_date = row.date("birth_date")
    row.pattern("contact_phone", PHONE, row.text("contact_phone"))
    row.pattern("email", EMAIL, row.text("email", 100))
    row.text("address", 200)
    row.pattern("postcode", SIX_DIGITS, row.text("postcode"))
    row.code("industry", CODES["industry"])
    row.id("manager_id")
    row.code("credit_class", CODES["credit_class"])
    row.code("blacklisted", CODES["yes_no"], required=True)
    row.code("marketing_consent", CODES["yes_no"], required=True)
    created_date = row.date("created_date", required=True)
    row.fault_if(op_time and op_time > cycle.end, "E407", "op_time")
    if id_type:
        row.need("id_number", id_number)
    is_sound = {"01": resident_id, "04": credit_code}.get(id_type or "")
    row.fault_if(is_sound and id_number and not is_sound(id_number), "E411", "id_number")
    row.fault_if(birth_date and not date(1900, 1, 1) <= birth_date < cycle.end.date(), "E407", "birth_date")
    row.fault_if(created_date and op_time and midnight(created_date) > op_time, "E408", "created_date")


def user(row: Row, cycle: Cycle) -> None:
    op = row.code("op", CODES["op"], required=True)
    row.needs = ("op", "op_time", "user_id") if op == "D" else None
    op_time = row.timestamp("op_time", required=True)
    row.id("user_id", required=True)
    row.id("customer_id", required=True)
    row.id("account_id", required=True)
    number = row.text("service_number", 20, required=True)
    product = row.code("product", CODES["product"], required=True)
    row.id("plan_code", required=True)
    row.code("pay_mode", CODES["pay_mode"], required=True)
    status = row.code("status", CODES["status"], required=True)
    status_time = row.timestamp("status_time", required=True)
    open_date = row.date("open_date", required=True)
    close_date = row.date("close_date")
    area_code = row.text("area_code", required=True)
    row.id("dealer_id")
    row.fen("credit_limit_fen")
    row.number("balance_fen", required=True)
    row.date("balance_expiry")
    row.date("contract_end")
    row.code("member_level", CODES["member_level"])
    row.fault_if(op_time and op_time > cycle.end, "E407", "op_time")
    if product:
        row.pattern("service_number", PHONE if product in ("MOB", "FIX") else NUMBER_OF_OTHERS, number)
    row.fault_if(status_time and op_time and status_time > op_time, "E408", "status_time")
    if status == "9":
        row.need("close_date", row.given("close_date"))
    row.fault_if(status and status != "9" and row.given("close_date"), "E408", "close_date")
    row.fault_if(close_date and open_date and close_date < open_date, "E408", "close_date")
    row.pattern("area_code", SIX_DIGITS, area_code)
    row.fault_if(area_code and area_code[:2] != cycle.source[:2], "E408", "area_code")


def paym(row: Row, cycle: Cycle) -> None:
    row.id("payment_id", required=True)
    row.id("account_id", required=True)
    row.id("user_id")
    row.text("service_number", 20)
    within(row, "paid_at", row.timestamp("paid_at", required=True), cycle, 7)
    amount = row.number("amount_fen", required=True)
    kind = row.code("kind", CODES["kind"], required=True)
    row.code("method", CODES["method"], required=True)
    row.code("channel", CODES["PAYM channel"], required=True)
    reversed_id = row.id("reversed_payment_id")
    row.month("billing_cycle")
    row.number("balance_after_fen")
    row.id("operator_id")
    row.fault_if(amount == 0, "E407", "amount_fen")
    row.fault_if(amount is not None and kind and (amount < 0) != (kind in ("4", "9")), "E408", "amount_fen")
    if kind == "9":
        row.need("reversed_payment_id", reversed_id)
    row.fault_if(kind and kind != "9" and reversed_id, "E408", "reversed_payment_id")


def chng(row: Row, cycle: Cycle) -> None:
    row.id("change_id", required=True)
    row.id("user_id", required=True)
    row.id("customer_id", required=True)
    row.text("service_number", 20, required=True)
    change_type = row.code("change_type", CODES["change_type"], required=True)
    changed_at = row.timestamp("changed_at", required=True)
    effective_at = row.timestamp("effective_at", required=True)
    row.text("old_value", 60)
    new_value = row.text("new_value", 60)
    row.text("reason", 60)
    row.code("channel", CODES["CHNG channel"], required=True)
    row.id("operator_id")
    within(row, "changed_at", changed_at, cycle, 7)
    row.fault_if(
        changed_at and effective_at and abs(effective_at - changed_at) > timedelta(days=62), "E408", "effective_at"
    )
    if change_type in ("07", "08", "10", "11"):
        row.need("new_value", new_value)
    if change_type in ("07", "08", "10"):
        row.pattern("new_value", NUMBER_OF_OTHERS, new_value)


_ITEMS = "rental voice long_distance roaming message data value_added other"


def bill(row: Row, cycle: Cycle) -> None:
    row.id("bill_id", required=True)
    row.id("account_id", required=True)
    row.id("customer_id", required=True)
    row.id("user_id", required=True)
    row.text("service_number", 20, required=True)
    month = row.month("billing_cycle", required=True)
    items = [row.fen(f"{name}_fen", required=True) for name in _ITEMS.split()]
    discount, total, paid, outstanding = (
        row.fen(f"{name}_fen", required=True) for name in ("discount", "total", "paid", "outstanding")
    )
    issued_at = row.timestamp("issued_at", required=True)
    due_date = row.date("due_date", required=True)
    row.fault_if(month and month != cycle.text, "E407", "billing_cycle")
    known = [item for item in items if item is not None]
    row.fault_if(
        len(known) == 8 and discount is not None and total is not None and total != sum(known) - discount,
        "E408",
        "total_fen",
    )
    row.fault_if(
        total is not None and paid is not None and outstanding is not None and outstanding != total - paid,
        "E408",
        "outstanding_fen",
    )
    row.fault_if(issued_at and issued_at <= cycle.end, "E407", "issued_at")
    row.fault_if(due_date and issued_at and due_date < issued_at.date(), "E408", "due_date")


def usge(row: Row, cycle: Cycle) -> None:
    row.id("record_id", 32, required=True)
    row.id("user_id", required=True)
    row.text("service_number", 20, required=True)
    usage_type = row.code("usage_type", CODES["usage_type"], required=True)
    direction = row.code("direction", CODES["direction"])
    counterpart = row.text("counterpart", 32)
    within(row, "started_at", row.timestamp("started_at", required=True), cycle, 3)
    duration = row.number("duration_s", required=True)
    volume = row.fen("volume_kb", required=True)  # at least 0, as money is
    row.pattern("visited_area", SIX_DIGITS, row.text("visited_area"))
    row.code("roaming", CODES["roaming"], required=True)
    row.fen("fee_fen", required=True)
    row.code("counterpart_network", CODES["counterpart_network"])
    if usage_type in ("V", "M"):
        row.need("direction", direction)
        row.need("counterpart", counterpart)
    row.fault_if(duration is not None and not 0 <= duration <= 86400, "E407", "duration_s")
    row.fault_if(usage_type == "V" and duration is not None and duration <= 0, "E408", "duration_s")
    row.fault_if(usage_type == "D" and volume is not None and volume <= 0, "E408", "volume_kb")


def cont(row: Row, cycle: Cycle) -> None:
    row.id("contact_id", 32, required=True)
    row.id("user_id")
    row.text("service_number", 20, required=True)
    channel = row.code("channel", CODES["CONT channel"], required=True)
    skill_group = row.text("skill_group")
    row.code("tier_served", CODES["tier_served"])
    arrived_at = row.timestamp("arrived_at", required=True)
    queued_at = row.timestamp("queued_at")
    answered_at = row.timestamp("answered_at")
    ended_at = row.timestamp("ended_at", required=True)
    outcome = row.code("outcome", CODES["outcome"], required=True)
    purpose = row.code("purpose", CODES["purpose"])
    row.id("work_order_id")
    satisfaction = row.number("satisfaction")
    row.id("agent_id")
    result = row.code("retention_result", CODES["retention_result"])
    row.pattern("skill_group", SKILL_GROUP, skill_group)
    within(row, "arrived_at", arrived_at, cycle, 0)
    if channel == "AGENT":
        row.need("skill_group", skill_group)
        row.need("queued_at", row.given("queued_at"))
    if channel == "AGENT" and outcome == "ANSWERED":
        row.need("answered_at", row.given("answered_at"))
    row.fault_if(queued_at and arrived_at and queued_at < arrived_at, "E408", "queued_at")
    row.fault_if(answered_at and queued_at and answered_at < queued_at, "E408", "answered_at")
    row.fault_if(
        ended_at and any(at and ended_at < at for at in (arrived_at, queued_at, answered_at)), "E408", "ended_at"
    )
    row.fault_if(satisfaction is not None and not 1 <= satisfaction <= 5, "E407", "satisfaction")
    row.fault_if(result and purpose != "RETENTION", "E408", "retention_result")


def word(row: Row, cycle: Cycle) -> None:
    row.code("op", CODES["WORD op"], required=True)
    op_time = row.timestamp("op_time", required=True)
    row.id("work_order_id", required=True)
    row.id("contact_id", 32)
    row.id("user_id")
    row.code("category", CODES["category"], required=True)
    row.text("department", 60, required=True)
    row.code("priority", CODES["priority"], required=True)
    opened_at = row.timestamp("opened_at", required=True)
    due_at = row.timestamp("due_at", required=True)
    status = row.code("status", CODES["WORD status"], required=True)
    row.timestamp("closed_at")
    satisfaction = row.number("satisfaction")
    row.fault_if(op_time and op_time > cycle.end, "E407", "op_time")
    row.fault_if(opened_at and op_time and opened_at > op_time, "E408", "opened_at")
    row.fault_if(due_at and opened_at and due_at <= opened_at, "E408", "due_at")
    if status == "CLOSED":
        row.need("closed_at", row.given("closed_at"))
    row.fault_if(status and status != "CLOSED" and row.given("closed_at"), "E408", "closed_at")
    row.fault_if(satisfaction is not None and not 1 <= satisfaction <= 5, "E407", "satisfaction")


def _feed(name: str, key: str, control: str | None, rules: Callable[[Row, Cycle], None]) -> Feed:
    return Feed(tuple(columns(name)), tuple(key.split()), control, rules)


ORACLES = {
    "CUST": _feed("CUST", "customer_id op_time", None, cust),
    "USER": _feed("USER", "user_id op_time", "balance_fen", user),
    "PAYM": _feed("PAYM", "payment_id", "amount_fen", paym),
    "CHNG": _feed("CHNG", "change_id", None, chng),
    "BILL": _feed("BILL", "user_id billing_cycle", "total_fen", bill),
    "USGE": _feed("USGE", "record_id", "fee_fen", usge),
    "CONT": _feed("CONT", "contact_id", None, cont),
    "WORD": _feed("WORD", "work_order_id op_time", None, word),
}
