"""What gave a subscriber its tier and warnings, and a customer its class and value, as plain values.

Models decide, and the policy's tables say by which numbers; here nothing but sorting is done. Keys are stable, numbers
are numbers, days and months text; ids are the only personal data.
"""

from __future__ import annotations

from datetime import date

from pipelines.explained_tables import Row, Tables


class Explainer:
    """What the tables of the database in use say of the subscribers and customers in them, for one as-of date.

    `published` has CLV and Pareto class by customer where those of the whole source are at hand, else it is None: they
    cannot be worked out for one customer alone.
    """

    def __init__(self, tables: Tables, as_of: date, published: dict[str, Row] | None = None) -> None:
        self._as_of = as_of.isoformat()
        self._published = published or {}
        self._tables = tables
        self._of, self._policy = tables.of, tables.policy

    def user(self, user_id: str) -> Row | None:
        """One subscriber, with its customer; None for one that has no state at the as-of date."""
        state = self._tables.one("subscriber", user_id)
        if state is None:
            return None
        customer = self._tables.one("customer", state["customer_id"])
        last = self._tables.one("last_tier", user_id)
        return {
            "user_id": user_id,
            "customer_id": state["customer_id"],
            **self._frame(state["source"]),
            **{name: state[name] for name in ("product", "status", "open_date", "close_date")},
            "tier": self._tier(state, customer),
            "last_tier": last["tier"] if last else None,
            "warning": self._warning(user_id),
            "customer": self.customer(state["customer_id"]),
        }

    def customer(self, customer_id: str) -> Row | None:
        """One customer; None for one that has no state at the as-of date."""
        state = self._tables.one("customer", customer_id)
        if state is None:
            return None
        mine = [row for rows in self._of["subscriber"].values() for row in rows if row["customer_id"] == customer_id]
        return {
            "customer_id": customer_id,
            **self._frame(state["source"]),
            "customer_type": state["customer_type"],
            "is_blacklisted": state["blacklisted"] == "Y",
            "subscribers": [self._in_short(row) for row in mine],
            "loyalty": self._loyalty(state, mine),
            "value": self._value(state),
        }

    def _frame(self, source: str) -> Row:
        closed = self._policy["bill_month"].get(source)
        version = self._policy["version"][source][0]["version"]
        month = closed[0]["bill_month"] if closed else None
        return {"source": source, "as_of": self._as_of, "bill_month": month, "policy_version": version}

    def _codes(self, source: str, name: str) -> list[str]:
        return [row["code"] for row in self._policy["code"][source] if row["name"] == name]

    def _in_short(self, state: Row) -> Row:
        tier, warning = self._tables.one("tier", state["user_id"]), self._tables.one("warning", state["user_id"])
        shown = {name: state[name] for name in ("user_id", "product", "status", "open_date")}
        return {**shown, "tier": tier["tier"] if tier else None, "level": warning["level"] if warning else None}

    def _tier(self, state: Row, customer: Row | None) -> Row | None:
        tier = self._tables.one("tier", state["user_id"])
        if tier is None:
            return None
        months = [self._month(row) for row in self._of["month"].get(state["user_id"], [])]
        names = ("tier", "reason", "flag", "arpu3_fen", "tenure_months")
        return {
            **{name: tier[name] for name in names},
            **self._since(state, tier["tier"]),
            "member_level": state["member_level"],
            "customer_type": customer["customer_type"] if customer else None,
            "months": months,
            "held": self._held(months, tier["tier"]) if tier["reason"] == "HELD" else None,
            "rules": [_without(rule, "source", "rank") for rule in self._policy["tier_rule"][state["source"]]],
            "keep": self._lacking(state, tier["rank"]) if tier["reason"] == "HELD" else [],
            "next": [] if tier["reason"] == "BLACKLIST" else self._lacking(state, tier["rank"] - 1),
        }

    def _month(self, row: Row) -> Row:
        every = self._of["bill"].get(row["user_id"], [])
        bills = [bill for bill in every if bill["month_offset"] == row["month_offset"]]
        shown = _without(row, "user_id", "month_offset", "total_fen")
        return {**shown, "bills": [_without(bill, "user_id", "month_offset") for bill in bills]}

    def _since(self, state: Row, tier: str) -> Row:
        """The first of the last months that all have this tier; it may have begun before the first one looked at."""
        former = self._of["former"].get(state["user_id"], [])
        run: list[Row] = []
        for row in former:
            if row["tier"] != tier or (run and row["month_index"] != run[-1]["month_index"] - 1):
                break
            run.append(row)
        return {
            "since_month": run[-1]["month"] if run else None,
            "is_since_or_before": run == former and bool(run) and _month_of(state["open_date"]) < run[-1]["month"],
        }

    def _held(self, months: list[Row], tier: str) -> Row:
        """The newest month before the last closed one that gave the tier, and the bill month up to which it does."""
        month = next(each for each in months[1:] if each["tier"] == tier)
        until = _later(month["month"], self._tables.held_months - 1)
        return {"month": month["month"], "way": month["way"], "until_bill_month": until}

    def _lacking(self, state: Row, rank: int) -> list[Row]:
        """By each rule of the tier of this rank, what the last closed month lacks."""
        found = self._of["month"].get(state["user_id"], [])
        last = found[0] if found else {"total_fen": None, "bill_count": None, "tenure_months": None}
        ways = []
        for rule in self._policy["tier_rule"][state["source"]]:
            if rule["rank"] == rank:
                count = last["bill_count"] or 1
                missing = max(rule["from_fen"] * count - (last["total_fen"] or 0), 0)
                months = max(rule["from_months"] - (last["tenure_months"] or 0), 0)
                lacks = {"missing_fen": -(-missing // count), "missing_months": months}  # rounded up to whole fen
                ways.append({**_without(rule, "source", "rank"), **lacks})
        return ways

    def _warning(self, user_id: str) -> Row | None:
        warning = self._tables.one("warning", user_id)
        if warning is None:
            return None
        numbers = self._policy["warning"][warning["source"]][0]
        rules = [
            {
                "rule": row["rule"],
                "points": row["points"],
                "evidence": read_evidence(row["evidence"]),
                "thresholds": _below(numbers, f"{row['rule'].lower()}_"),
            }
            for row in self._of["rule"][user_id]
        ]
        bounds = {name: numbers[name] for name in ("risk_cap", "medium_from", "high_from")}
        total = sum(rule["points"] for rule in rules)
        return {"rules": rules, "points": total, "risk": warning["risk"], "level": warning["level"], **bounds}

    def _loyalty(self, state: Row, mine: list[Row]) -> Row:
        """The class, and all that the conditions of the classes ask for."""
        key, source = state["customer_id"], state["source"]
        given = self._of["loyalty"][key][0]
        held = self._of["held"][key][0]
        service = self._tables.one("service", key) or {}
        brief = [self._in_short(row) for row in mine if row["status"] != "9"]
        levels, tiers = self._codes(source, "loyalty.at_risk_levels"), self._codes(source, "loyalty.core_tiers")
        measured = {
            "at_risk": [{name: row[name] for name in ("user_id", "level")} for row in brief if row["level"] in levels],
            "core": [{name: row[name] for name in ("user_id", "tier")} for row in brief if row["tier"] in tiers],
            **{name: held[name] for name in ("subscriber_count", "open_count", "first_open_date")},
            **{name: service.get(name, 0) for name in ("rating_count", "rating_sum", "complaint_count")},
        }
        numbers = _without(self._policy["loyalty"][source][0], "source")
        thresholds = {**numbers, "at_risk_levels": levels, "core_tiers": tiers}
        names = ("class", "tier", "service", "action", "advice")
        return {**{name: given[name] for name in names}, "measured": measured, "thresholds": thresholds}

    def _value(self, state: Row) -> Row | None:
        value, part = self._tables.one("value", state["customer_id"]), self._tables.one("part", state["customer_id"])
        if value is None or part is None:
            return None
        numbers = self._policy["value"][state["source"]][0]
        best = {row["scale"]: row["points"] for row in self._policy["best"][state["source"]]}
        best["payment"] = numbers["payment_points"]
        whole = self._published.get(state["customer_id"], {})
        return {
            "score": value["score"],
            "segment": value["segment"],
            "parts": [
                {
                    "part": name,
                    "points": part[f"{name}_points"],
                    "most": best[name],
                    "measured": {each: part[each] for each in measures},
                }
                for name, measures in _PARTS.items()
            ],
            "thresholds": _without(numbers, "source"),
            "is_of_whole_source": bool(whole),
            "clv_fen": whole.get("clv_fen"),
            "pareto_class": whole.get("pareto_class"),
        }


_PARTS = {
    "spend": ("spend_fen",),
    "tenure": ("tenure_months",),
    "payment": ("settled_count", "bill_count"),
    "product": ("product_count",),
    "growth": ("last_fen", "former_fen"),
    "complaint": ("complaint_count",),
}


def read_evidence(evidence: str) -> Row:
    """The `name=value` pairs of a churn rule's evidence; those named by a month are bills."""
    found: Row = {}
    for name, _, value in (pair.partition("=") for pair in evidence.split()):
        if name.isdigit():
            found.setdefault("bills", []).append({"month": name, "total_fen": int(value)})
        elif name in ("since", "expiry"):
            found[f"{name}_date"] = f"{value[:4]}-{value[4:6]}-{value[6:]}"
        elif name == "status":
            found[name] = value
        else:
            found[name if name == "silent_days" else f"{name}_fen"] = int(value)
    return found


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def _below(row: Row, prefix: str) -> Row:
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}


def _month_of(day: str) -> str:
    return day[:4] + day[5:7]


def _later(month: str, count: int) -> str:
    index = int(month[:4]) * 12 + int(month[4:]) - 1 + count
    return f"{index // 12}{index % 12 + 1:02d}"
