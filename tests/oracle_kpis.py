"""The KPIs read word for word, those of the feeds' punctuality excepted: every month and source by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from datetime import timedelta
from functools import lru_cache

from mart_oracle import DAY, Oracle, Row, first_day, last_day, month_of, shift
from oracle_facts import current, work_orders

Cell = tuple[str, str, str, str]
ANSWER_WITHIN_S = {"D": 10, "G": 15, "S": 15, "N": 15}


def kpis(oracle: Oracle) -> dict[Cell, tuple[int, int]]:
    """Numerator and denominator by month, source, tier and KPI."""
    found = dict(oracle.kpis())
    for source in [*oracle.last_months, *(["ALL"] if oracle.last_months else [])]:
        last = max(oracle.last_months.values()) if source == "ALL" else oracle.last_months[source]
        for back in range(13):
            month = _Month(oracle, source, shift(last, -back))
            for (tier, kpi), numbers in month.cells().items():
                if numbers[1] != 0:
                    found[month.month, source, tier, kpi] = numbers
    return found


class _Month:
    """One month of one source or of all: `count` puts things on either side of a KPI, each thing once."""

    def __init__(self, oracle: Oracle, source: str, month: str) -> None:
        self.oracle, self.source, self.month = oracle, source, month
        self.above: dict[tuple[str, str], set[Hashable]] = defaultdict(set)
        self.below: dict[tuple[str, str], set[Hashable]] = defaultdict(set)

    def cells(self) -> dict[tuple[str, str], tuple[int, int]]:
        self._subscribers()
        self._usage()
        self._contacts()
        self._work_orders()
        found = {key: self._numbers(key) for key in self.below}
        return found | {("ALL", "top20_revenue_share"): self._top20()}

    def _numbers(self, key: tuple[str, str]) -> tuple[int, int]:
        factors = {"customer_share": (1, 5), "complaints_per_10k": (10000, 1)}.get(key[1], (1, 1))
        return len(self.above[key]) * factors[0], len(self.below[key]) * factors[1]

    def count(self, side: dict[tuple[str, str], set[Hashable]], kpi: str, tier: str | None, thing: Hashable) -> None:
        for cell_tier in {tier, "ALL"} - {None}:
            side[str(cell_tier), kpi].add(thing)

    def takes_part(self, source: str) -> bool:
        if self.source != "ALL":
            return source == self.source
        return self.month <= self.oracle.last_months.get(source, "")

    @lru_cache(maxsize=200)  # noqa: B019 — a month does not live long
    def place(self, user_id: str | None, file_source: str) -> tuple[str, str | None]:
        """Source and tier of the subscriber's month; of the file, and no tier, where it is not known (by then)."""
        tier = self.oracle.tier_of_month(user_id, self.month) if user_id in self.oracle.subscribers else None
        return (self.oracle.attributes(str(user_id), self.month)["source"], tier) if tier else (file_source, None)

    # What is counted

    def _subscribers(self) -> None:
        cohort = shift(self.month, -3)
        for user_id in self.oracle.subscribers:
            state = self.oracle.attributes(user_id, self.month)
            if not self.takes_part(state["source"]):
                continue
            tier = self.oracle.tier_of_month(user_id, self.month)
            at_start = self.oracle.is_open(user_id, first_day(self.month) - DAY)
            at_end = self.oracle.is_open(user_id, last_day(self.month))
            if month_of(state["open_date"]) == cohort:
                self.count(self.below, "new_retention_rate", tier, user_id)
                if at_end:
                    self.count(self.above, "new_retention_rate", tier, user_id)
            if at_start:
                self.count(self.below, "retention_rate", tier, user_id)
                if at_end:
                    self.count(self.above, "retention_rate", tier, user_id)
            if at_end:
                self.count(self.below, "usage_frequency", tier, user_id)
                self.count(self.below, "complaints_per_10k", tier, user_id)
                self.count(self.below, "customer_share", tier, state["customer_id"])
                self.count(self.above, "customer_share", tier, (state["customer_id"], state["product"]))

    def _usage(self) -> None:
        for row in self._facts("core.usage", "started_at"):
            source, tier = self.place(row["user_id"], row["source"])
            if self.takes_part(source):
                self.count(self.above, "usage_frequency", tier, (row["user_id"], row["started_at"].date()))

    def _facts(self, table: str, time: str) -> list[Row]:
        return [row for row in current(self.oracle, table, time) if month_of(row[time]) == self.month]

    def _contacts(self) -> None:
        for row in self._facts("core.contact", "arrived_at"):
            source, tier = self.place(row["user_id"], row["source"])
            if not self.takes_part(source):
                continue
            contact = row["contact_id"]
            if row["purpose"] == "COMPLAINT":
                self.count(self.above, "complaints_per_10k", tier, contact)
                if row["satisfaction"] is not None:
                    self.count(self.below, "complaint_satisfaction", tier, contact)
                    if row["satisfaction"] >= 4:
                        self.count(self.above, "complaint_satisfaction", tier, contact)
            if row["purpose"] == "RETENTION" and row["retention_result"] in ("KEPT", "LOST"):
                self.count(self.below, "winback_rate", tier, contact)
                if row["retention_result"] == "KEPT":
                    self.count(self.above, "winback_rate", tier, contact)
            if row["channel"] == "AGENT":
                self._call(row)

    def _call(self, row: Row) -> None:
        tier = row["tier_served"] or "N"
        for kpi in ("answer_rate", "answer_in_target_rate", "abandon_rate"):
            self.count(self.below, kpi, tier, row["contact_id"])
        if row["outcome"] == "ABANDONED":
            self.count(self.above, "abandon_rate", tier, row["contact_id"])
        if row["outcome"] == "ANSWERED":
            self.count(self.above, "answer_rate", tier, row["contact_id"])
            if row["answered_at"] - row["queued_at"] <= timedelta(seconds=ANSWER_WITHIN_S[tier]):
                self.count(self.above, "answer_in_target_rate", tier, row["contact_id"])

    def _work_orders(self) -> None:
        for key, periods in work_orders(self.oracle).items():
            state = self.oracle.state(periods, self.oracle.as_of)
            closed_at = state["closed_at"] if state else None
            if state is None or closed_at is None or closed_at >= self.oracle.end or month_of(closed_at) != self.month:
                continue
            source, tier = self.place(state["user_id"], state["source"])
            if self.takes_part(source):
                self.count(self.below, "work_order_on_time_rate", tier, key)
                if closed_at <= state["due_at"]:
                    self.count(self.above, "work_order_on_time_rate", tier, key)

    def _top20(self) -> tuple[int, int]:
        totals: dict[str, int] = defaultdict(int)
        for (user_id, cycle), bill in self.oracle.bills.items():
            if cycle == self.month and self.takes_part(self.place(user_id, bill["source"])[0]):
                totals[bill["customer_id"]] += bill["total_fen"]
        largest_first = sorted(totals, key=lambda customer_id: (-totals[customer_id], customer_id))
        count = -(-len(totals) // 5)  # 20 %, rounded up
        return sum(totals[customer_id] for customer_id in largest_first[:count]), sum(totals.values())


def target(tier: str, kpi: str) -> float | None:
    """Of the tier; none for all of them."""
    return {"D": 0.95, "G": 0.90, "S": 0.88, "N": 0.85}.get(tier) if kpi == "answer_in_target_rate" else None
