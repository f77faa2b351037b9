"""Whether explanations of every subscriber of a database agree with its marts, and with themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from mart_tables import default_policy

from pipelines.explained_tables import EXPLAINED, Row, read_tables
from pipelines.explained_words import Words
from pipelines.explaining import Explainer
from warehouse.trial import PublishedState, make_trial_of, published_values


def told(
    state: PublishedState, day: date, month: str | None, database: str, groups: int
) -> Iterator[tuple[Row, Words]]:
    """The explanation of every subscriber of a database, and who puts it into words; from trials of a part of them."""
    users = [user for (user,) in rows(state, f"select user_id from {database}.mart.subscriber_state order by user_id")]
    for number in range(groups):
        group = users[number::groups]
        make_trial_of(state, f"trial_{database}_{number}", default_policy(), day, month, EXPLAINED, user_ids=group)
        tables = read_tables(state.connection)
        explainer = Explainer(tables, day, published_values(state) if database == "state" else None)
        for user in group:
            found = explainer.user(user)
            assert found is not None
            yield found, Words(tables.titles, ("en", "zh")[number % 2])


def rows(state: PublishedState, query: str) -> list[tuple[Any, ...]]:
    return state.connection.execute(query).fetchall()


class Marts:
    """What the marts of a database say, by subscriber or customer."""

    def __init__(self, state: PublishedState, database: str) -> None:
        def read(table: str, columns: str) -> dict[str, tuple[Any, ...]]:
            return {key: tuple(row) for key, *row in rows(state, f"select {columns} from {database}.mart.{table}")}

        self.tiers = read("tier", "user_id, tier, reason, flag, arpu3_fen, tenure_months")
        self.warnings = read("churn_warning", "user_id, rules, risk, level, evidence")
        self.classes = read("loyalty", "customer_id, class, tier, service, action, advice")
        self.values = read("value", "customer_id, score, segment, clv_fen, pareto_class")

    def differences(self, found: Row, *, is_whole: bool) -> list[str]:
        customer = found["customer"]
        tier, warning = found["tier"], found["warning"]
        pairs = {
            "tier": (self.tiers, found["user_id"], tier and tuple(tier[name] for name in TIER)),
            "warning": (self.warnings, found["user_id"], warning and (*warned(warning), warning_evidence(warning))),
            "class": (self.classes, found["customer_id"], customer and tuple(customer["loyalty"][n] for n in CLASS)),
        }
        if customer and customer["value"]:
            names = VALUE if is_whole else VALUE[:2]
            value = tuple(customer["value"][name] for name in names)
            assert value == self.values[found["customer_id"]][: len(names)]
            assert sum(part["points"] for part in customer["value"]["parts"]) == customer["value"]["score"]
        else:
            assert found["customer_id"] not in self.values
        return [
            f"{name} of {found['user_id']}: {rows.get(key)}, explained as {said}"
            for name, (rows, key, said) in pairs.items()
            if rows.get(key) != said
        ]


TIER = ("tier", "reason", "flag", "arpu3_fen", "tenure_months")
CLASS = ("class", "tier", "service", "action", "advice")
VALUE = ("score", "segment", "clv_fen", "pareto_class")


def warned(warning: Row) -> tuple[Any, ...]:
    assert warning["risk"] == min(sum(rule["points"] for rule in warning["rules"]), warning["risk_cap"])
    return "+".join(rule["rule"] for rule in warning["rules"]), warning["risk"], warning["level"]


def warning_evidence(warning: Row) -> str:
    """The evidence as the mart writes it, from what was read of it."""

    def said(evidence: Row) -> str:
        bills = [f"{bill['month']}={bill['total_fen']}" for bill in evidence.get("bills", [])]
        plain = {name: str(value).replace("-", "") if "date" in name else value for name, value in evidence.items()}
        rest = [f"{re.sub('_(fen|date)$', '', name)}={value}" for name, value in plain.items() if name != "bills"]
        return " ".join(bills + rest)

    return ", ".join(f"{rule['rule']} {said(rule['evidence'])}" for rule in warning["rules"])


def require_sound(found: Row) -> None:
    """What explains a tier is not at odds with it: the months, what holds, what is missing."""
    tier = found["tier"]
    months, reason = tier["months"], tier["reason"]
    if reason in ("SPEND", "TENURE"):
        assert (months[0]["tier"], months[0]["way"]) == (tier["tier"], reason)
    if reason == "HELD":
        place = next(place for place, month in enumerate(months) if month["tier"] == tier["tier"])
        assert place > 0
        assert months[place]["month"] == tier["held"]["month"]
        assert int(tier["held"]["until_bill_month"]) > int(found["bill_month"]) or place == len(months) - 1
        assert all(way["missing_fen"] or way["missing_months"] for way in tier["keep"])
    for month in months:
        bills = [bill["total_fen"] for bill in month["bills"]]
        assert len(bills) == (month["bill_count"] or 0)
        assert month["arpu3_fen"] == ((2 * sum(bills) + len(bills)) // (2 * len(bills)) if bills else None)
    for way in [*tier["next"], *tier["keep"]]:
        bills = [bill["total_fen"] for bill in months[0]["bills"]] if months else []
        count, missing = max(len(bills), 1), way["missing_fen"]
        assert sum(bills) + missing * count >= way["from_fen"] * count
        assert not missing or sum(bills) + (missing - 1) * count < way["from_fen"] * count


def require_easiest(ways: list[Row], text: str) -> None:
    """Of two ways to the next tier only one is named where it lacks less, and no month of tenure."""
    lines = [line for line in text.splitlines() if re.match("  (to [A-Z]|升至)", line)]
    assert len(lines) == bool(ways)
    if ways:
        least = min(ways, key=lambda way: way["missing_fen"])
        assert len(re.split("; or |；或 ", lines[0])) == (2 if least["missing_months"] else 1)


def says_what_is_left(line: str, rule: Row, day: date) -> bool:
    """Whether the words for C3 name the balance where it is low, and the expiry where it is next month's."""
    evidence, bounds = rule["evidence"], rule["thresholds"]
    is_low = evidence["balance_fen"] < bounds["balance_below_fen"]
    expiry = date.fromisoformat(evidence.get("expiry_date", "2001-01-01"))
    is_next = (expiry.year - day.year) * 12 + expiry.month - day.month == bounds["expiry_after_months"]
    assert is_low or is_next
    return (("below" in line or "低于" in line), expiry.isoformat() in line) == (is_low, is_next)


def require_agreement(state: PublishedState, day: date, month: str | None, database: str, groups: int = 2) -> set[str]:
    """Every subscriber of a database is explained as its marts have it; returns what was put into words."""
    marts, said, differences = Marts(state, database), set(), []
    for found, words in told(state, day, month, database, groups):
        differences += marts.differences(found, is_whole=database == "state")
        text = "\n".join(words.user(found))
        assert found["user_id"] in text
        assert "None" not in text
        if found["tier"]:
            require_sound(found)
            require_easiest(found["tier"]["next"], text)
            assert f"  {found['tier']['reason']}" in text
            said.add(found["tier"]["reason"])
        for rule in found["warning"]["rules"] if found["warning"] else []:
            (line,) = [line for line in text.splitlines() if line.startswith(f"  {rule['rule']}")]
            assert rule["rule"] != "C3" or says_what_is_left(line, rule, day)
            said.add(rule["rule"])
        said.add(found["customer"]["loyalty"]["class"] if found["customer"] else "no customer")
    assert not differences, differences[:5]
    return said
