"""Contacts and work orders of a random world about the borders of the rules."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from mart_oracle import first_day, midnight
from mart_province import Province, Row
from mart_world import DAY, SOURCES, SUBSCRIBERS, Drawing
from oracle_facts import months_before

SECOND = timedelta(seconds=1)
KNOWN = tuple(f"U{number:05d}" for number in range(SUBSCRIBERS))
UNKNOWN = "U99990"
USERS = (*KNOWN, UNKNOWN, None)
PURPOSES = (
    ("INQUIRY", "SURVEY"), ("INQUIRY", None, "REQUEST"), ("COMPLAINT", "RETENTION", "SURVEY"), ("RETENTION", "FAULT"),
)  # fmt: skip


def draw_service(drawing: Drawing) -> Province:
    return {
        "core.contact": [row for user_id in USERS for row in _contacts(drawing, user_id)],
        "core.work_order": [row for number in range(80) for row in _work_order(drawing, f"W{number:05d}")],
    }


def fact(drawing: Drawing, user_id: str | None) -> Row:
    is_current = drawing.chance(0.93)
    return {"user_id": user_id, "source": drawing.dice.choice(SOURCES), "is_current": is_current}


def _contacts(drawing: Drawing, user_id: str | None) -> list[Row]:
    dice, end = drawing.dice, drawing.end
    year_ago = midnight(months_before(drawing.as_of + DAY, 12))
    ratings = dice.choice(((4, 5), (4, 5, 5, 4), (5,), (4, 4, 5), (None,), (1, 3, None, 4)))
    purposes = dice.choice(PURPOSES)
    if drawing.is_loyal:
        ratings, purposes = dice.choice(((4, 5), (4, 5, 5, 4), (4, 4, 5), (5,))), PURPOSES[0]
    rows = []
    for number in range(dice.choice((0, 1, 2, 2, 4)) if user_id in KNOWN else 12):
        arrived_at = drawing.busy(year_ago, year_ago, end - 7 * DAY, end)
        purpose = dice.choice(purposes)
        if drawing.is_calm and drawing.chance(0.1):
            purpose, arrived_at = "COMPLAINT", drawing.moment(year_ago)
        row = {
            **fact(drawing, user_id),
            "contact_id": f"T{user_id}{number}",
            "channel": dice.choice(("AGENT", "AGENT", "AGENT", "IVR", "OUTBOUND")),
            "tier_served": dice.choice((None, "D", "G", "S", "N")),
            "purpose": purpose,
            "satisfaction": ratings[number % len(ratings)],
            "retention_result": dice.choice(("KEPT", "LOST", "PENDING", None)) if purpose == "RETENTION" else None,
            "work_order_id": dice.choice((None, "W00001")),
            "service_number": f"1380000{random.Random(f'{user_id} {number} {arrived_at}').randrange(60):04d}",
        }
        rows.append({**row, **_course(drawing, row, arrived_at)})
    return rows


def _course(drawing: Drawing, row: Row, arrived_at: datetime) -> Row:
    """When an agent's call was queued and answered: just in time, or a second late."""
    outcome = drawing.dice.choice(("ANSWERED", "ANSWERED", "ANSWERED", "ABANDONED", "OVERFLOW", "SELF"))
    queued_at = arrived_at + 3 * SECOND if row["channel"] == "AGENT" else None
    answered_at = None
    if queued_at is not None and (outcome == "ANSWERED" or drawing.chance(0.1)):
        answered_at = queued_at + drawing.dice.choice((9, 10, 11, 15, 16)) * SECOND
    times = {"arrived_at": arrived_at, "queued_at": queued_at, "answered_at": answered_at}
    return {**times, "outcome": outcome, "ended_at": arrived_at + 60 * SECOND}


def _work_order(drawing: Drawing, work_order_id: str) -> list[Row]:
    """Opened, closed, perhaps rated, opened again and rated anew."""
    dice, end = drawing.dice, drawing.end
    year_ago = midnight(months_before(drawing.as_of + DAY, 12))
    user_id, source = dice.choice(USERS), dice.choice(SOURCES)
    category = dice.choice(("COMPLAINT", "COMPLAINT", "COMPLAINT", "FAULT", "RETENTION"))
    borders = [year_ago, year_ago, end - 3 * DAY, end - 3 * DAY, midnight(first_day(drawing.month)), end]
    count = dice.choice((1, 2, 2, 3, 4))
    moments: set[datetime] = set()
    while len(moments) < count:
        moments.add(drawing.past(6) if drawing.chance(0.3) else drawing.busy(*borders))
    rows: list[Row] = []
    courses = (
        ("OPEN", None),
        ("CLOSED", dice.choice((None, None, None, 4, 5))),
        ("REOPENED", None),
        ("CLOSED", dice.choice((3, 4, 5))),
    )
    first = dice.choice((0, 1)) if count < 4 else 0
    for moment, (status, satisfaction) in zip(sorted(moments), courses[first:], strict=False):
        if satisfaction is None and rows and drawing.chance(0.5):
            satisfaction = rows[-1]["satisfaction"]
        closed_at = None
        if status == "CLOSED":
            closed_at = moment - dice.choice((0, 0, 1)) * SECOND if drawing.chance(0.93) else drawing.moment(end)
        if rows:
            rows[-1] |= {"valid_to": moment, "is_current": False}
        rows.append(
            {
                "work_order_id": work_order_id,
                "contact_id": dice.choice((None, f"T{user_id}0")),
                "user_id": user_id if drawing.chance(0.95) else dice.choice(USERS),
                "category": category,
                "status": dice.choice(("OPEN", "ASSIGNED", "RESOLVED")) if status == "OPEN" else status,
                "opened_at": min(moments),
                "due_at": (closed_at or moment) + dice.choice((-1, 0, 1, 86400)) * SECOND,
                "closed_at": closed_at,
                "satisfaction": satisfaction,
                "source": source,
                "op_time": moment,
                "valid_from": moment,
                "valid_to": None,
                "is_current": True,
            }
        )
    return rows
