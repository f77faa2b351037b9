"""Small random worlds of customers and subscribers as rows of core, drawn at the borders of the rules on purpose."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from mart_oracle import first_day, midnight, month_of, shift
from mart_province import Province, Row
from oracle_facts import months_before

SOURCES = ("110", "440", "310", "120")
CUSTOMERS, SUBSCRIBERS = 40, 80
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
CALM = ("1", "1", "1", "11", "191", "19", "21", "31")
TROUBLED = ("1", "13", "134", "31", "123", "24", "1341", "19", "199", "191", "9", "49", "1312", "34")
STATES_OF_CYCLES = ("open", "late", "missing", "held")


@dataclass(frozen=True)
class World:
    """Rows by table, and what a build is asked for."""

    as_of: date
    bill_month: str | None
    rows: Province


class Drawing:
    """The dice of a world and the moments that its rules turn on."""

    def __init__(self, seed: int, as_of: date | None) -> None:
        self.dice = random.Random(seed)
        self.as_of = as_of or self._as_of()
        self.end = midnight(self.as_of + DAY)
        self.month = month_of(self.as_of)
        self.bill_month = self.dice.choice((None,) * 8 + (self.month, shift(self.month, -4)))
        self.closed = self._closed_months()
        self.theme = self.dice.choice(("troubled", "calm", "quiet", "loyal"))
        self.is_calm = self.theme != "troubled"  # so that other classes of loyalty than AT_RISK are met
        self.is_quiet = self.theme in ("quiet", "loyal")  # little happens but just at the borders
        self.is_loyal = self.theme == "loyal"  # nobody has reasons to leave

    def _as_of(self) -> date:
        day = date(2025, 11, 1) + timedelta(days=self.dice.randrange(500))
        kind = self.dice.random()
        if kind < 0.3:
            return day.replace(day=self.dice.choice((9, 9, 10, 10, 11)))
        if kind < 0.4:
            return day.replace(day=1) - DAY
        ends = (date(2028, 2, 28), date(2028, 2, 29), date(2027, 5, 31), date(2026, 12, 30), date(2027, 2, 27))
        return self.dice.choice(ends) if kind < 0.5 else day

    def _closed_months(self) -> dict[str, str]:
        """The newest complete BILL cycle of each source; none for a source now and then."""
        backs = {source: self.dice.choice((1, 1, 1, 1, 1, 2, 3)) for source in SOURCES}
        return {source: shift(self.month, -back) for source, back in backs.items() if self.dice.random() < 0.95}

    def chance(self, rate: float) -> bool:
        return self.dice.random() < rate

    def last_month(self, source: str) -> str:
        return self.bill_month or self.closed.get(source, shift(self.month, -1))

    def moment(self, *borders: datetime) -> datetime:
        """One of the borders, or a minute before or after it."""
        return self.dice.choice(borders) + self.dice.choice((-MINUTE, timedelta(0), timedelta(0), MINUTE))

    def busy(self, *borders: datetime) -> datetime:
        """A moment at the borders; where there is no quiet, often any within 400 days."""
        return self.moment(*borders) if self.is_quiet or self.chance(0.4) else self.past(400)

    def past(self, days: int) -> datetime:
        return self.end - timedelta(minutes=self.dice.randrange(1, days * 1440))


def draw_world(seed: int, as_of: date | None = None) -> World:
    """A world of 40 customers and 80 subscribers in four sources; the same seed and day give the same one."""
    from mart_world_facts import draw_facts

    drawing = Drawing(seed, as_of)
    customers = [row for number in range(CUSTOMERS) for row in _customer(drawing, number)]
    subscribers = [row for number in range(SUBSCRIBERS) for row in _subscriber(drawing, number)]
    rows = {"core.customer": customers, "core.subscriber": subscribers, "ops.cycle": _cycles(drawing)}
    return World(drawing.as_of, drawing.bill_month, {**rows, **draw_facts(drawing, subscribers)})


def _cycles(drawing: Drawing) -> list[Row]:
    rows = []
    for source in SOURCES:
        for back in range(-1, 16):
            month = shift(drawing.month, -back)
            is_closed = month <= drawing.closed.get(source, "") or month == drawing.month
            state = "complete" if is_closed and source in drawing.closed else drawing.dice.choice(STATES_OF_CYCLES)
            rows.append({"feed": "BILL", "source": source, "mode": "I", "cycle": month, "state": state})
        broken = 3 if drawing.is_quiet else drawing.dice.choice((None, None, None, 0, 6, 7))
        for back in range(9):
            day = drawing.as_of - timedelta(days=back)
            state = "complete" if back != broken else drawing.dice.choice(STATES_OF_CYCLES)
            if back != broken or drawing.chance(0.7):
                rows.append({"feed": "USGE", "source": source, "mode": "I", "cycle": f"{day:%Y%m%d}", "state": state})
    return rows


def _periods(drawing: Drawing, states: list[Row], starts: list[datetime], gap_rate: float) -> list[Row]:
    """States laid end to end; now and then one ends before the next begins, or the last one ends, often about E."""
    rows = []
    for place, (state, begin) in enumerate(zip(states, starts, strict=True)):
        end = starts[place + 1] if place + 1 < len(starts) else None
        if drawing.chance(gap_rate):
            last = drawing.moment(drawing.end, drawing.end - timedelta(days=40)) if end is None else end
            end = max(begin + MINUTE, last if end is None else begin + (end - begin) / 2)
        times = {"valid_from": begin, "valid_to": end, "is_current": end is None, "op_time": begin}
        rows.append({**state, **times, "batch_stem": "B", "line": place + 2})
    return rows


def _starts(drawing: Drawing, count: int) -> list[datetime]:
    """The first long ago or within the months that count, the others where rules turn."""
    end, first = drawing.end, midnight(first_day(drawing.month))
    days = [end - timedelta(days=back) for back in (3, 5, 5, 29, 30, 31, 90)]
    found = {drawing.end - timedelta(days=drawing.dice.choice((20, 100, 200, 420, 800, 900)), minutes=77)}
    while len(found) < count:
        if drawing.chance(0.6):
            found.add(drawing.moment(*days, first, first, end))
        else:
            found.add(drawing.dice.choice((drawing.past(60), midnight(drawing.past(420).date()))))
    return sorted(found)


def usual_source(customer_id: str) -> str:
    return SOURCES[int(customer_id[1:]) % len(SOURCES)]


def _customer(drawing: Drawing, number: int) -> list[Row]:
    dice, customer_id = drawing.dice, f"C{number:05d}"
    kind, birth = dice.choice("1111124"), _birth_date(drawing)
    states: list[Row] = []
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        states.append(
            {
                "customer_id": customer_id,
                "customer_type": dice.choice((kind, kind, kind, "3")),
                "customer_name": f"N{len(states)}{customer_id}",
                "birth_date": birth,
                "blacklisted": "Y" if drawing.chance(0.08) else "N",
                "marketing_consent": "N" if drawing.chance(0.2) else "Y",
                "source": usual_source(customer_id) if drawing.chance(0.97) else dice.choice(SOURCES),
            }
        )
    return _periods(drawing, states, _starts(drawing, len(states)), 0.07)


def _birth_date(drawing: Drawing) -> date | None:
    if drawing.chance(0.2):
        return None
    if drawing.chance(0.4 if drawing.as_of.month == 2 else 0.05):
        return date(1984, 2, 29)
    day = drawing.as_of + timedelta(days=drawing.dice.choice((-1, 0, 1, 2, 3)))
    return day.replace(year=1980)  # a leap year


def _subscriber(drawing: Drawing, number: int) -> list[Row]:
    dice = drawing.dice
    customer_id = f"C{dice.randrange(CUSTOMERS + 1):05d}"
    state: Row = {
        "user_id": f"U{number:05d}",
        "customer_id": customer_id,
        "account_id": "A",
        "service_number": f"1380000{dice.randrange(60):04d}",
        "product": dice.choice(("MOB", "MOB", "MOB", "FIX", "BBD", "TVS")),
        "plan_code": "PLAN01",
        "pay_mode": dice.choice(("PRE", "PRE", "POST")),
        "member_level": dice.choice(("G", "D", None) if drawing.is_quiet else (None, None, None, None, "S", "G", "D")),
        "source": usual_source(customer_id) if drawing.chance(0.85) else dice.choice(SOURCES),
        "open_date": _open_date(drawing),
    }
    statuses = dice.choice(CALM if drawing.is_loyal or (drawing.is_calm and drawing.chance(0.8)) else TROUBLED)
    states = []
    for status in statuses:
        state = {**state, "status": status, **_changes(drawing, state)}
        states.append(state)
    rows = _periods(drawing, states, _starts(drawing, len(states)), 0.06)
    for row in rows:
        row["open_date"] = min(row["open_date"], row["valid_from"].date())
        row["close_date"] = _close_date(drawing, row) if row["status"] == "9" else None
        row["status_time"] = row["valid_from"] - dice.choice((timedelta(0), timedelta(days=9)))
    return rows


def _changes(drawing: Drawing, state: Row) -> Row:
    """Balance anew in each period; customer, source, level and the day of opening now and then."""
    dice = drawing.dice
    changes: Row = {
        "balance_fen": dice.choice((-100, 0, 4999, 5000, 5001, 100000, 100000)),
        "balance_expiry": _expiry(drawing),
    }
    if drawing.chance(0.1):
        changes["customer_id"] = f"C{dice.randrange(CUSTOMERS + 1):05d}"
    if drawing.chance(0.07):
        changes["source"] = dice.choice(SOURCES)
    if drawing.chance(0.07):
        changes["member_level"] = dice.choice((None, "S", "G", "D"))
    if drawing.chance(0.05):
        changes["open_date"] = _open_date(drawing)
    if drawing.chance(0.05):
        changes["plan_code"] = "PLAN02"
    return changes


def _expiry(drawing: Drawing) -> date | None:
    following, after = first_day(shift(drawing.month, 1)), first_day(shift(drawing.month, 2))
    return drawing.dice.choice((None, following - DAY, following, after - DAY, after, first_day("203001")))


def _open_date(drawing: Drawing) -> date:
    """About the borders of loyalty (3 and 24 months), of tenure, or in one of the months that KPIs look at."""
    dice, kind = drawing.dice, drawing.dice.random()
    if kind < 0.5:
        months = 24 if drawing.is_loyal else dice.choice((3, 3, 24, 24))
        return months_before(drawing.as_of, months) + dice.choice((-1, 0, 0, 0, 1, 1)) * DAY
    if kind < 0.75:
        first = first_day(shift(drawing.month, -dice.choice((6, 12, 24, 36, 60))))
        return first + dice.choice((-1, 0, 1)) * DAY
    return first_day(shift(drawing.month, -dice.randrange(17))) + dice.randrange(28) * DAY


def _close_date(drawing: Drawing, row: Row) -> date:
    last: date = row["valid_from"].date()
    ago = drawing.dice.choice((0, 0, 0, 1, 29, 30))
    if random.Random(f"{row['user_id']} {last}").random() < 0.2:  # told before it comes; apart, so that worlds stay
        ago = -1 - ago % 2
    return max(row["open_date"], last - ago * DAY)
