"""The facts of a random world: bills, payments and usage about the borders of the rules."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from mart_oracle import first_day, midnight, shift
from mart_province import Province, Row
from mart_world import CUSTOMERS, DAY, SOURCES, Drawing
from mart_world_service import SECOND, UNKNOWN, USERS, draw_service, fact

# Totals of a month and of those before it: ARPU3 at bounds of tiers and of scores, also by thirds; much less than the
# month before; growth against three months before.
PATTERNS = (
    (3000, 3000, 3000), (2999, 3000, 3000), (8000,), (7999, 8000, 8001), (15000, 15000, 14999), (30000, 30000, 30001),
    (50000, 50000, 50000), (49999, 50000, 50000), (20000, 20000, 20000), (10000, 10000, 10000), (1000, 1000, 999),
    (9000, 5000), (5, 5, 5, 0),
    (12000, 1, 1, 10000), (11999, 1, 1, 10000), (8000, 8000, 8000, 10000), (7999, 8000, 8000, 10000),
    (60000, 60000, 60000), (32000, 31000, 30000), (100, 200, 300), (0, 0, 0), (1, 1, 1),
)  # fmt: skip
DROPS = ((6000, 10000, 10000), (6001, 10000, 10000), (3000, 5000, 5000), (3001, 5001, 5001), (3000, 5001, 9000))
ITEMS = ("rental", "voice", "long_distance", "roaming", "message", "data", "value_added", "other")


def draw_facts(drawing: Drawing, subscribers: list[Row]) -> Province:
    last = {row["user_id"]: row for row in subscribers}
    return {
        "core.bill": _bills(drawing, last),
        "core.payment": [row for user_id in USERS for row in _payments(drawing, user_id)],
        "core.usage": [row for user_id in USERS for row in _usage(drawing, user_id)],
        **draw_service(drawing),
    }


def _bills(drawing: Drawing, last: dict[str, Row]) -> list[Row]:
    rows: list[Row] = []
    for user_id in [*last, UNKNOWN]:
        row = last.get(user_id, {"source": "110", "customer_id": "C99990"})
        pattern, month = _pattern(drawing), drawing.last_month(row["source"])
        kept = drawing.dice.choice((1, 1, 0.9, 0.4))
        for back in range(-2, 16):
            total = (
                pattern[max(back, 0) % len(pattern)] if drawing.chance(0.9) else drawing.dice.choice((0, 777, 45000))
            )
            if drawing.chance(kept):
                rows.append(_bill(drawing, {**row, "user_id": user_id}, shift(month, -back), total))
    if drawing.chance(0.3):
        _share_exactly(drawing, rows, last)
    return rows


def _pattern(drawing: Drawing) -> tuple[int, ...]:
    return drawing.dice.choice(
        DROPS if drawing.chance({"loyal": 0, "troubled": 0.3}.get(drawing.theme, 0.05)) else PATTERNS
    )


def _bill(drawing: Drawing, subscriber: Row, month: str, total: int) -> Row:
    dice = drawing.dice
    outstanding = dice.choice((total, total // 3)) if drawing.chance(0.03 if drawing.is_calm else 0.4) else 0
    due_date = _due_date(drawing, month)
    is_other = drawing.chance(0.05)
    return {
        "user_id": subscriber["user_id"],
        "customer_id": f"C{dice.randrange(CUSTOMERS):05d}" if is_other else subscriber["customer_id"],
        "billing_cycle": month,
        **dict.fromkeys((f"{item}_fen" for item in ITEMS), 0),
        "rental_fen": total,
        "discount_fen": 0,
        "total_fen": total,
        "paid_fen": total - outstanding,
        "outstanding_fen": outstanding,
        "issued_at": _issued_at(drawing, month, due_date),
        "due_date": due_date,
        "source": subscriber["source"],
        "is_current": drawing.chance(0.97),
    }


def _issued_at(drawing: Drawing, month: str, due_date: date) -> datetime:
    if due_date == drawing.end.date() and drawing.chance(0.5):
        return drawing.moment(drawing.end)
    return midnight(first_day(shift(month, 1))) + SECOND


def _due_date(drawing: Drawing, month: str) -> date:
    usual = first_day(shift(month, 1)) + 24 * DAY
    near = drawing.as_of + drawing.dice.choice((-1, 0, 1)) * DAY
    return near if near > first_day(shift(month, 1)) and drawing.chance(0.4) else usual


def _share_exactly(drawing: Drawing, rows: list[Row], last: dict[str, Row]) -> None:
    """Totals of the last month such that customers end just at 80 and 95 % of their source."""
    shares = {source: [4000, 4000, 1500, 500] for source in SOURCES}
    billed: set[str] = set()
    for row in rows:
        customer_id = last.get(row["user_id"], row)["customer_id"]
        if row["is_current"] and row["billing_cycle"] == drawing.last_month(row["source"]):
            left = shares[row["source"]]
            row["total_fen"] = left.pop(0) if left and customer_id not in billed else 0
            row["outstanding_fen"], row["paid_fen"] = 0, row["total_fen"]
            billed.add(customer_id)


def _payments(drawing: Drawing, user_id: str | None) -> list[Row]:
    dice, end = drawing.dice, drawing.end
    borders = [end - timedelta(days=365), end - timedelta(days=30), end]
    rows: list[Row] = []
    for number in range(dice.choice((0, 0, 1, 2, 3))):
        payment_id, kind = f"P{user_id}{number}", dice.choice("122223")
        paid_at = drawing.busy(*borders)
        amount = dice.choice((100, 29999, 30000, 30001, 30001, 60000))
        row = {**fact(drawing, user_id), "kind": kind, "amount_fen": amount, "paid_at": paid_at}
        rows.append({**row, "payment_id": payment_id, "reversed_payment_id": None})
        if drawing.chance(0.3):
            rows.append(_reversal(drawing, rows[-1]))
        if drawing.chance(0.1):
            rows.append({**_reversal(drawing, rows[-1]), "kind": "4", "reversed_payment_id": None})
    return rows


def _reversal(drawing: Drawing, payment: Row) -> Row:
    """Before, at or after E; sometimes of another payment, or without the subscriber."""
    named = payment["payment_id"] if drawing.chance(0.85) else "P-other"
    after = max(payment["paid_at"], drawing.moment(drawing.end, drawing.end - timedelta(days=20)))
    user_id = payment["user_id"] if drawing.chance(0.8) else None
    return {
        **fact(drawing, user_id),
        "payment_id": f"R{payment['payment_id']}",
        "reversed_payment_id": named,
        "kind": "9",
        "amount_fen": -payment["amount_fen"],
        "paid_at": after,
    }


def _usage(drawing: Drawing, user_id: str | None) -> list[Row]:
    dice, end = drawing.dice, drawing.end
    if user_id is None:
        return []
    borders = [end - timedelta(days=7), end - timedelta(days=30), end]
    moments = [drawing.busy(*borders) for _ in range(dice.choice((0, 0, 1, 2, 4)))]
    moments += [drawing.past(6)] if drawing.chance({"quiet": 0, "troubled": 0.2}.get(drawing.theme, 0.7)) else []
    return [
        {
            **fact(drawing, user_id),
            "record_id": f"G{user_id}{number}",
            "usage_type": dice.choice("VMDS"),
            "started_at": moment,
            "duration_s": 60,
            "volume_kb": 1,
        }
        for number, moment in enumerate([*moments, *moments[:1]])
    ]
