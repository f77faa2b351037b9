"""Every row of a generated province against the rules of its feed, and the planted subscribers against their tier."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl
import pytest
from province_reader import Read, Row, read

from sftp_fixtures.check_digits import credit_checks, organisation_checks, resident_checks
from sftp_fixtures.province import make_province
from sftp_fixtures.records import columns
from sftp_fixtures.settings import FEEDS

PHONE = re.compile(r"1[3-9]\d{9}|0\d{9,11}")
NUMBER = re.compile(r"0|-?[1-9]\d{0,17}")
REQUIRED = {
    "CUST": "op_time customer_id customer_type customer_name blacklisted marketing_consent created_date",
    "USER": "op_time user_id customer_id account_id service_number product plan_code pay_mode status status_time"
    " open_date area_code balance_fen",
    "PAYM": "payment_id account_id paid_at amount_fen kind method channel",
    "CHNG": "change_id user_id customer_id service_number change_type changed_at effective_at channel",
    "BILL": " ".join(columns("BILL")),
    "USGE": "record_id user_id service_number usage_type started_at duration_s volume_kb roaming fee_fen",
    "CONT": "contact_id service_number channel arrived_at ended_at outcome",
    "WORD": "op op_time work_order_id category department priority opened_at due_at status",
}
CODES = {
    "op": "I U D", "customer_type": "1 2 3 4", "id_type": "01 02 03 04 09", "gender": "M F",
    "credit_class": "A B C D E",
    "product": "MOB FIX BBD TVS IOT", "pay_mode": "PRE POST", "kind": "1 2 3 4 9", "usage_type": "V M D S",
    "method": "CASH CARD BANK WALLET VOUCHER OTHER", "direction": "O I", "roaming": "0 1 2", "member_level": "D G S",
    "channel": "HALL WEB APP BANK AGENT IVR SYS OUTBOUND", "outcome": "ANSWERED ABANDONED OVERFLOW SELF",
    "purpose": "INQUIRY REQUEST COMPLAINT FAULT RETENTION SURVEY", "retention_result": "KEPT LOST PENDING",
    "tier_served": "D G S N", "satisfaction": "1 2 3 4 5", "category": "COMPLAINT FAULT REQUEST RETENTION",
    "priority": "1 2 3", "blacklisted": "Y N", "marketing_consent": "Y N", "counterpart_network": "1 2 9",
}  # fmt: skip


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Read:
    root = tmp_path_factory.mktemp("province")
    return read(root, make_province(root, end=datetime(2026, 11, 22, 12), seed=3))


def at(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%d%H%M%S")


def cycle_of(row: Row) -> tuple[datetime, datetime]:
    """Start and end of the row's cycle."""
    text = row["cycle"]
    if len(text) == 6:
        start = datetime.strptime(text, "%Y%m")
        return start, (start + timedelta(days=31)).replace(day=1)
    start = datetime.strptime(text.ljust(10, "0"), "%Y%m%d%H")
    return start, start + timedelta(days=1 if len(text) == 8 else 0, hours=1 if len(text) == 10 else 0)


def reaches_back(column: str, days: int) -> Callable[[Row], bool]:
    return lambda row: cycle_of(row)[0] - timedelta(days=days) <= at(row[column]) < cycle_of(row)[1]


def in_order(row: Row, *names: str) -> bool:
    given_times = [row[name] for name in names if row[name]]
    return given_times == sorted(given_times)


def valid_id(name: str, value: str) -> bool:
    longest = 32 if name in ("record_id", "contact_id") else 20
    return not value or re.fullmatch(rf"[0-9A-Za-z]{{6,{longest}}}", value) is not None


def valid_identity(row: Row) -> bool:
    number = pl.Series([row["id_number"][:17]])
    if row["id_type"] == "01":
        same_birth = row["id_number"][6:14] == row["birth_date"]
        return same_birth and resident_checks(number).to_list() == [row["id_number"][17:]]
    if row["id_type"] == "04":
        checks = [*organisation_checks(pl.Series([row["id_number"][8:16]])), *credit_checks(number)]
        return checks == list(row["id_number"][16:])
    return bool(row["id_number"]) == bool(row["id_type"])


def total_of_items(row: Row) -> int:
    items = [int(row[name]) for name in columns("BILL")[6:15]]
    return sum(items[:8]) - items[8] if min(items) >= 0 else -1


RULES: dict[str, list[Callable[[Row], bool]]] = {
    "CUST": [
        lambda r: at(r["op_time"]) < cycle_of(r)[1],
        valid_identity,
        lambda r: r["created_date"] <= r["op_time"][:8],
        lambda r: "19000101" <= r["birth_date"] < r["cycle"] if r["birth_date"] else r["customer_type"] in "23",
        lambda r: bool(PHONE.fullmatch(r["contact_phone"])) and bool(re.fullmatch(r"\d{6}", r["postcode"])),
        lambda r: re.fullmatch(r"|[^@ ]+@[^@ ]+", r["email"]) is not None,
    ],
    "USER": [
        lambda r: at(r["op_time"]) < cycle_of(r)[1] and r["status_time"] <= r["op_time"],
        lambda r: r["product"] not in ("MOB", "FIX") or PHONE.fullmatch(r["service_number"]) is not None,
        lambda r: re.fullmatch(r"[0-9A-Za-z]{6,20}", r["service_number"]) is not None,
        lambda r: (r["status"] == "9") == bool(r["close_date"]) and (r["close_date"] or "9") >= r["open_date"],
        lambda r: re.fullmatch(r"11\d{4}", r["area_code"]) is not None,
        lambda r: r["status"] in "12349" and r["plan_code"].startswith(r["product"]),
    ],
    "PAYM": [
        reaches_back("paid_at", 7),
        lambda r: (int(r["amount_fen"]) < 0) == (r["kind"] in "49") and r["amount_fen"] != "0",
        lambda r: (r["kind"] == "9") == bool(r["reversed_payment_id"]),
        lambda r: bool(r["user_id"]) == bool(r["balance_after_fen"]),
    ],
    "CHNG": [
        reaches_back("changed_at", 7),
        lambda r: abs(at(r["effective_at"]) - at(r["changed_at"])) <= timedelta(days=62),
        lambda r: bool(r["new_value"]) == (r["change_type"] in ("07", "08", "10", "11")),
        lambda r: "01" <= r["change_type"] <= "14",
    ],
    "BILL": [
        lambda r: r["billing_cycle"] == r["cycle"] and int(r["total_fen"]) == total_of_items(r) > 0,
        lambda r: int(r["outstanding_fen"]) == int(r["total_fen"]) - int(r["paid_fen"]) >= 0 <= int(r["paid_fen"]),
        lambda r: at(r["issued_at"]) > cycle_of(r)[1] and r["due_date"] >= r["issued_at"][:8],
    ],
    "USGE": [
        reaches_back("started_at", 3),
        lambda r: (r["usage_type"] in "VM") == bool(r["direction"]) == bool(r["counterpart"]),
        lambda r: 0 <= int(r["duration_s"]) <= 86400 and (r["usage_type"] != "V" or int(r["duration_s"]) > 0),
        lambda r: int(r["volume_kb"]) >= 0 <= int(r["fee_fen"]) and (r["usage_type"] != "D" or int(r["volume_kb"]) > 0),
    ],
    "CONT": [
        reaches_back("arrived_at", 0),
        lambda r: in_order(r, "arrived_at", "queued_at", "answered_at", "ended_at"),
        lambda r: (r["channel"] == "AGENT") == bool(r["queued_at"]) == bool(r["skill_group"]),
        lambda r: r["channel"] != "AGENT" or (r["outcome"] == "ANSWERED") == bool(r["answered_at"]),
        lambda r: (r["purpose"] == "RETENTION") == bool(r["retention_result"]),
    ],
    "WORD": [
        lambda r: at(r["op_time"]) < cycle_of(r)[1] and r["opened_at"] <= r["op_time"] and r["due_at"] > r["opened_at"],
        lambda r: (r["status"] == "CLOSED") == bool(r["closed_at"]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("feed", FEEDS)
def test_every_row_obeys_the_rules_of_its_feed(province: Read, feed: str) -> None:
    rows = [row for row in province.rows[feed] if row.get("op") != "D"]
    assert len(rows) > 10
    for row in rows:
        assert all(row[name] for name in REQUIRED[feed].split()), row
        assert all(valid_id(name, row[name]) for name in columns(feed) if name.endswith("_id")), row
        assert all(NUMBER.fullmatch(row[name]) for name in columns(feed) if name.endswith("_fen") and row[name]), row
        assert all(row[name] in CODES[name].split() for name in columns(feed) if name in CODES and row[name]), row
        assert [n for n, rule in enumerate(RULES[feed]) if not rule(row)] == [], row


def test_deleted_customers_and_subscribers_carry_their_key_alone(province: Read) -> None:
    deleted = [row for feed in ("CUST", "USER") for row in province.rows[feed] if row["op"] == "D"]
    assert deleted
    for row in deleted:
        assert {name for name, value in row.items() if value} - {"cycle"} in (
            {"op", "op_time", "customer_id"},
            {"op", "op_time", "user_id"},
        )


def test_planted_subscribers_qualify_for_the_tier_they_are_named_after(province: Read) -> None:
    bills = {(row["user_id"], row["billing_cycle"]): int(row["total_fen"]) for row in province.rows["BILL"]}
    months = ["202608", "202609", "202610"]
    opened = {row["user_id"]: row["open_date"] for row in province.rows["USER"] if row["op"] == "I"}
    for name in ("D_SPEND", "D_TENURE", "G_SPEND", "G_TENURE", "S_SPEND", "S_TENURE", "N_NONE", "D_HELD"):
        user_id = province.summary.cases[name]
        spent = [bills[user_id, month] for month in months]
        tenure = (2026 - int(opened[user_id][:4])) * 12 + 11 - int(opened[user_id][4:6])
        means = [sum(spent[: n + 1]) / (n + 1) for n in range(3)]
        best = min(tier(mean, tenure) for mean in (means if name.endswith("_HELD") else means[-1:]))
        assert ("DGSN"[best], opened[user_id][6:]) == (name[0], "01")
    levels = {row["user_id"]: row["member_level"] for row in province.rows["USER"] if row["op"] == "I"}
    assert levels[province.summary.cases["S_MANUAL"]] == "S"


def tier(mean_fen: float, tenure: int) -> int:
    """0 to 3 for D, G, S and N."""
    rows = [(50_000, 30_000, 60), (30_000, 20_000, 36), (15_000, 10_000, 24)]
    holds = [
        n
        for n, (alone, lower, months) in enumerate(rows)
        if mean_fen >= alone or (mean_fen >= lower and tenure >= months)
    ]
    return min(holds, default=3)
