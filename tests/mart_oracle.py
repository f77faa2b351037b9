"""The rules of tiers and KPIs read word for word: plain loops over rows and days, sharing nothing with the SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

Row = dict[str, Any]
DAY = timedelta(days=1)
BEST_FIRST = "DGSN"


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def first_day(month: str) -> date:
    return date(int(month[:4]), int(month[4:]), 1)


def shift(month: str, count: int) -> str:
    year, number = int(month[:4]), int(month[4:]) + count
    while number < 1:
        year, number = year - 1, number + 12
    while number > 12:
        year, number = year + 1, number - 12
    return f"{year}{number:02d}"


def month_of(moment: date) -> str:
    return moment.strftime("%Y%m")


def last_day(month: str) -> date:
    return first_day(shift(month, 1)) - DAY


def days(month: str) -> Iterator[date]:
    day = first_day(month)
    while month_of(day) == month:
        yield day
        day += DAY


class Oracle:
    """One province at one as-of date; `bill_month` as on the command line."""

    def __init__(self, province: dict[str, list[Row]], as_of: date, bill_month: str | None = None) -> None:
        self.as_of, self.end = as_of, midnight(as_of + DAY)
        self.bill_month = bill_month
        self.province = province
        self.subscribers = self._histories("core.subscriber", "user_id")
        self.customers = self._histories("core.customer", "customer_id")
        self.bills: dict[tuple[str, str], Row] = {}
        for row in province["core.bill"]:
            if row["is_current"]:
                self.bills[row["user_id"], row["billing_cycle"]] = row
        self.known_tiers: dict[tuple[str, str], str | None] = {}
        self.last_months = {source: month for source in self._sources() if (month := self.last_month(source))}

    def _histories(self, table: str, key: str) -> dict[str, list[Row]]:
        """The periods that begin before E, in order; an end that is not before E is not known."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(self.province[table], key=lambda row: row["valid_from"]):
            if row["valid_from"] < self.end:
                known_end = row["valid_to"] if row["valid_to"] is not None and row["valid_to"] < self.end else None
                found[row[key]].append({**row, "valid_to": known_end})
        return found

    def _sources(self) -> set[str]:
        return {row["source"] for table in ("core.subscriber", "ops.cycle") for row in self.province[table]}

    def last_month(self, source: str) -> str | None:
        """M."""
        if self.bill_month:
            return self.bill_month
        complete = [
            row["cycle"]
            for row in self.province["ops.cycle"]
            if row["feed"] == "BILL" and row["source"] == source and row["state"] == "complete"
        ]
        return max((cycle for cycle in complete if cycle < month_of(self.as_of)), default=None)

    # States, days and months

    def state(self, history: list[Row], day: date) -> Row | None:
        end = midnight(day + DAY)
        for period in history:
            if period["valid_from"] < end and (period["valid_to"] is None or period["valid_to"] >= end):
                return period
        return None

    def is_virtual(self, user_id: str, day: date) -> bool:
        """Whether it counts as open on a day before its first period."""
        first = self.subscribers[user_id][0]
        if not first["open_date"] <= day < first["valid_from"].date():
            return False
        return first["status"] != "9" or day < first["close_date"]

    def is_open(self, user_id: str, day: date) -> bool:
        state = self.state(self.subscribers[user_id], day)
        return self.is_virtual(user_id, day) or (state is not None and state["status"] != "9")

    def closings(self, user_id: str) -> set[date]:
        history = self.subscribers[user_id]
        found = {history[0]["close_date"]} if history[0]["status"] == "9" else set()
        for place, period in enumerate(history):
            if period["status"] == "9" or period["valid_to"] is None:
                continue
            rest = history[place + 1 :]
            goes_on = bool(rest) and rest[0]["valid_from"] == period["valid_to"] and rest[0]["status"] != "9"
            if not goes_on:
                found.add(period["valid_to"].date())
        return found

    def is_open_in(self, user_id: str, month: str) -> bool:
        """Open at any time in the month, be it for a minute."""
        begin, end = midnight(first_day(month)), midnight(first_day(shift(month, 1)))
        for period in self.subscribers[user_id]:
            goes_into = period["valid_from"] < end and (period["valid_to"] is None or period["valid_to"] > begin)
            if goes_into and period["status"] != "9":
                return True
        first = self.subscribers[user_id][0]
        told_closed = first["status"] == "9" and min(first["close_date"], first["valid_from"].date())
        opened_and_closed = first["open_date"] == told_closed
        if opened_and_closed and month_of(first["open_date"]) == month:
            return True
        return any(self.is_virtual(user_id, day) for day in days(month))

    def attributes(self, user_id: str, month: str) -> Row:
        begun = [period for period in self.subscribers[user_id] if month_of(period["valid_from"]) <= month]
        return begun[-1] if begun else self.subscribers[user_id][0]

    # Tiers

    def arpu3(self, user_id: str, month: str) -> Fraction | None:
        totals = []
        for back in (0, 1, 2):
            past = shift(month, -back)
            over = past < month_of(self.as_of) or past <= max(self.last_months.values(), default="")
            if over and (user_id, past) in self.bills:
                totals.append(self.bills[user_id, past]["total_fen"])
        return Fraction(sum(totals), len(totals)) if totals else None

    @staticmethod
    def rounded(amount: Fraction | None) -> int | None:
        if amount is None:
            return None
        whole = amount.numerator // amount.denominator
        return whole + 1 if amount - whole >= Fraction(1, 2) else whole

    @staticmethod
    def tenure(open_date: date, month: str) -> int:
        after = first_day(shift(month, 1))
        count = 12 * (after.year - open_date.year) + (after.month - open_date.month)
        return max(0, count - 1 if open_date.day > 1 else count)

    def qualified(self, user_id: str, open_date: date, month: str) -> tuple[str, bool]:
        """The tier of a month, and whether the amount alone gives it."""
        arpu, tenure = self.arpu3(user_id, month), self.tenure(open_date, month)
        if arpu is None:
            return "N", False
        table = (("D", 500, 300, 60), ("G", 300, 200, 36), ("S", 150, 100, 24))
        for tier, alone, with_tenure, least in table:
            if arpu >= alone * 100:
                return tier, True
            if arpu >= with_tenure * 100 and tenure >= least:
                return tier, False
        return "N", False

    def tier(self, state: Row, customer: Row | None, month: str | None) -> tuple[str, str]:
        """Tier and reason by the attributes of a subscriber and its customer, with M = month."""
        if customer is not None and customer["blacklisted"] == "Y":
            return "N", "BLACKLIST"
        ways = []
        if month is not None:
            tier, alone = self.qualified(state["user_id"], state["open_date"], month)
            ways.append((tier, "SPEND" if alone else "TENURE"))
            for back in (-1, -2):
                ways.append((self.qualified(state["user_id"], state["open_date"], shift(month, back))[0], "HELD"))
        if state["member_level"]:
            ways.append((state["member_level"], "MANUAL"))
        if customer is not None and customer["customer_type"] in ("2", "3"):
            ways.append(("S", "GROUP"))
        best = min((tier for tier, _ in ways), key=BEST_FIRST.index, default="N")
        reasons = [reason for tier, reason in ways if tier == best and best != "N"]
        return best, reasons[0] if reasons else "NONE"

    def tiers(self) -> dict[str, Row]:
        """mart.tier"""
        found = {}
        for user_id, history in self.subscribers.items():
            state = self.state(history, self.as_of)
            if state is None or state["status"] == "9" or state["product"] not in ("MOB", "FIX"):
                continue
            month = self.last_months.get(state["source"])
            customer = self.state(self.customers.get(state["customer_id"], []), self.as_of)
            tier, reason = self.tier(state, customer, month)
            found[user_id] = {
                "user_id": user_id,
                "source": state["source"],
                "tier": tier,
                "reason": reason,
                "flag": "B" if reason == "BLACKLIST" else None,
                "arpu3_fen": self.rounded(self.arpu3(user_id, month)) if month else None,
                "tenure_months": self.tenure(state["open_date"], month) if month else None,
            }
        return found

    def tier_of_month(self, user_id: str, month: str) -> str | None:
        """Of the month, else of the last one before in which it was open."""
        if (user_id, month) not in self.known_tiers:
            self.known_tiers[user_id, month] = self._tier_of_month(user_id, month)
        return self.known_tiers[user_id, month]

    def _tier_of_month(self, user_id: str, month: str) -> str | None:
        earliest = min(month_of(self.subscribers[user_id][0]["open_date"]), self._first_month(user_id))
        while not self.is_open_in(user_id, month):
            month = shift(month, -1)
            if month < earliest:
                return None
        state = self.attributes(user_id, month)
        if state["product"] not in ("MOB", "FIX"):
            return "N"
        periods = self.customers.get(state["customer_id"], [])
        begun = [period for period in periods if month_of(period["valid_from"]) <= month]
        return self.tier(state, begun[-1] if begun else None, month)[0]

    def _first_month(self, user_id: str) -> str:
        return month_of(self.subscribers[user_id][0]["valid_from"])

    # Months

    def first_and_last_month(self) -> tuple[str, str]:
        before = shift(month_of(self.as_of), -1)
        first = shift(min(self.last_months.values(), default=before), -12)
        return first, max([month_of(self.as_of), *self.last_months.values()])

    def months(self) -> list[str]:
        month, last = self.first_and_last_month()
        found = []
        while month <= last:
            found.append(month)
            month = shift(month, 1)
        return found

    def subscriber_months(self) -> dict[tuple[str, str], Row]:
        """mart.subscriber_month"""
        found = {}
        for user_id in self.subscribers:
            closings = self.closings(user_id)
            for month in self.months():
                closed = [day for day in closings if month_of(day) == month]
                if closed or self.is_open_in(user_id, month):
                    found[user_id, month] = self._subscriber_month(user_id, month, len(closed))
        return found

    def _subscriber_month(self, user_id: str, month: str, closing_count: int) -> Row:
        state = self.attributes(user_id, month)
        counts = dict.fromkeys("12349", 0)
        for day in days(month):
            at = self.state(self.subscribers[user_id], day)
            if self.is_virtual(user_id, day):
                status = self.subscribers[user_id][0]["status"]
                counts["1" if status == "9" else status] += 1
            elif at is not None and day <= self.as_of:
                counts[at["status"]] += 1
        over = month < month_of(self.as_of) or month <= max(self.last_months.values(), default="")
        bill = self.bills.get((user_id, month), {}) if over else {}
        return {
            "user_id": user_id,
            "month": month,
            "source": state["source"],
            "tier": self.tier_of_month(user_id, month),
            "customer_id": state["customer_id"],
            "product": state["product"],
            "open_date": state["open_date"],
            "tenure_months": self.tenure(state["open_date"], month),
            "is_open_at_start": self.is_open(user_id, first_day(month) - DAY),
            "is_open_at_end": self.is_open(user_id, last_day(month)),
            "closing_count": closing_count,
            "active_days": counts["1"],
            "suspended_days": counts["2"],
            "barred_outgoing_days": counts["3"],
            "barred_days": counts["4"],
            "closed_days": counts["9"],
            "arpu3_fen": self.rounded(self.arpu3(user_id, month)),
            **{name: bill.get(name) for name in BILL_COLUMNS},
            **self._usage(user_id, month),
            **self._payments(user_id, month),
            **self._contacts(user_id, month),
        }

    def _facts(self, table: str, time: str, user_id: str, month: str) -> list[Row]:
        return [
            row
            for row in self.province[table]
            if row["is_current"] and row["user_id"] == user_id and row[time] < self.end and month_of(row[time]) == month
        ]

    def _usage(self, user_id: str, month: str) -> Row:
        rows = self._facts("core.usage", "started_at", user_id, month)
        seconds = sum(row["duration_s"] for row in rows if row["usage_type"] == "V")
        kilobytes = sum(row["volume_kb"] for row in rows if row["usage_type"] == "D")
        return {
            "usage_day_count": len({row["started_at"].date() for row in rows}),
            "voice_minutes": self.rounded(Fraction(seconds * 100, 60)) / Fraction(100),  # type: ignore[operator]
            "message_count": sum(1 for row in rows if row["usage_type"] == "M"),
            "data_mb": self.rounded(Fraction(kilobytes * 100, 1024)) / Fraction(100),  # type: ignore[operator]
        }

    def _payments(self, user_id: str, month: str) -> Row:
        rows = self._facts("core.payment", "paid_at", user_id, month)
        made = [row for row in rows if row["kind"] not in ("4", "9")]
        return {"payment_count": len(made), "payment_fen": sum(row["amount_fen"] for row in rows)}

    def _contacts(self, user_id: str, month: str) -> Row:
        rows = self._facts("core.contact", "arrived_at", user_id, month)
        complaints = [row for row in rows if row["purpose"] == "COMPLAINT"]
        return {"contact_count": len(rows), "complaint_count": len(complaints)}

    # KPIs

    def kpis(self) -> dict[tuple[str, str, str, str], tuple[int, int]]:
        """mart.kpi: numerator and denominator by month, source, tier and KPI."""
        found: dict[tuple[str, str, str, str], list[int]] = {}
        for source in [*self.last_months, *(["ALL"] if self.last_months else [])]:
            last = max(self.last_months.values()) if source == "ALL" else self.last_months[source]
            for back in range(13):
                month = shift(last, -back)
                self._kpi_month(found, source, month)
        return {cell: (numbers[0], numbers[1]) for cell, numbers in found.items() if numbers[1] != 0}

    def _kpi_month(self, found: dict[tuple[str, str, str, str], list[int]], source: str, month: str) -> None:
        for tier in (*BEST_FIRST, "ALL"):
            for kpi in ("customer_base", "gross_adds"):
                found[month, source, tier, kpi] = [0, 1]
        add = _Adder(found, source, month)
        for user_id in self.subscribers:
            state = self.attributes(user_id, month)
            tier = self.tier_of_month(user_id, month)
            if not self._takes_part(source, state["source"], month):
                continue
            open_at_start = self.is_open(user_id, first_day(month) - DAY)
            closed = any(month_of(day) == month for day in self.closings(user_id))
            add("customer_base", tier, int(self.is_open(user_id, last_day(month))), 0)
            add("gross_adds", tier, int(month_of(state["open_date"]) == month), 0)
            add("churn_rate", tier, int(closed), int(open_at_start))
        for (user_id, cycle), bill in self.bills.items():
            tier = self.tier_of_month(user_id, month) if user_id in self.subscribers else None
            bill_source = self.attributes(user_id, month)["source"] if tier else bill["source"]
            if cycle == month and self._takes_part(source, bill_source, month):
                add("arpu", tier, bill["total_fen"], 1)
                add("arrears_rate", tier, bill["outstanding_fen"], bill["total_fen"])

    def _takes_part(self, wanted: str, source: str, month: str) -> bool:
        if wanted != "ALL":
            return source == wanted
        return month <= self.last_months.get(source, "")


class _Adder:
    """Adds a subscriber or bill to the cells of its tier and of tier ALL; one without a tier to the latter only."""

    def __init__(self, found: dict[tuple[str, str, str, str], list[int]], source: str, month: str) -> None:
        self.found, self.source, self.month = found, source, month

    def __call__(self, kpi: str, tier: str | None, numerator: int, denominator: int) -> None:
        for cell_tier in [tier, "ALL"] if tier else ["ALL"]:
            cell = self.found.setdefault((self.month, self.source, cell_tier, kpi), [0, 0])
            cell[0] += numerator
            cell[1] += denominator


BILL_COLUMNS = (
    "total_fen",
    "rental_fen",
    "voice_fen",
    "long_distance_fen",
    "roaming_fen",
    "message_fen",
    "data_fen",
    "value_added_fen",
    "other_fen",
    "discount_fen",
    "paid_fen",
    "outstanding_fen",
)
