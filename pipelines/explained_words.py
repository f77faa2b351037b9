"""An explanation in words for people, in English or Chinese. Amounts in yuan with two places, months as YYYY-MM."""

from __future__ import annotations

from typing import Any

from pipelines.explained_phrases import PHRASES
from pipelines.explained_tables import Row

LANGUAGES = tuple(PHRASES)


class Words:
    """The lines of an explanation; `titles` says what codes are called (see `read_tables`)."""

    def __init__(self, titles: dict[tuple[str, str], tuple[str, str]], language: str) -> None:
        self._titles = titles
        self._place = LANGUAGES.index(language)
        self._phrases = PHRASES[language]

    def user(self, told: Row) -> list[str]:
        """One subscriber, and its customer below."""
        tier = self._tier(told) if told["tier"] else [self._untiered(told)]
        customer = self._customer(told["customer"]) if told["customer"] else [self._say("no_customer", **told)]
        return [
            self._say("user", **self._frame(told)),
            self._say("state", **self._named(told)),
            *tier,
            *self._warning(told["warning"], told["as_of"]),
            *customer,
        ]

    def customer(self, told: Row) -> list[str]:
        """One customer, with a line for each of its subscribers."""
        return [self._say("frame", **self._frame(told)), *self._customer(told)]

    def _say(self, phrase: str, **values: Any) -> str:
        return self._phrases[phrase].format(**values)

    def _title(self, name: str, code: str | None) -> str:
        """`G (Gold)`; a code that no list explains stands alone."""
        titles = self._titles.get((name, code or ""))
        return self._say("titled", code=code, title=titles[self._place]) if titles else str(code)

    def _own(self, code: str) -> str:
        """A class or segment of ours, with its title."""
        return self._say("titled", code=code, title=self._phrases[code])

    def _named(self, told: Row) -> Row:
        return told | {
            "product": self._title("product", told["product"]),
            "status": self._title("subscriber_status", told["status"]),
        }

    def _frame(self, told: Row) -> Row:
        closed = self._say("closed_month", month=month(told["bill_month"])) if told["bill_month"] else self._say("none")
        return told | {"closed": closed}

    def _untiered(self, told: Row) -> str:
        if told["status"] != "9":
            return self._say("no_tier", **self._named(told))
        last = self._title("tier", told["last_tier"]) if told["last_tier"] else self._say("unknown")
        return self._say("closed", close_date=told["close_date"] or self._say("unknown"), tier=last)

    def _tier(self, told: Row) -> list[str]:
        tier = told["tier"]
        return [
            self._say("tier", tier=self._title("tier", tier["tier"]), since=self._since(tier)),
            self._reason(tier),
            *(self._month(each) for each in tier["months"]),
            *self._lacking("keep", tier["tier"], tier["keep"]),
            *(self._lacking("next", tier["next"][0]["tier"], tier["next"]) if tier["next"] else []),
        ]

    def _since(self, tier: Row) -> str:
        if tier["since_month"] is None:
            return self._say("since_now")
        return self._say("since_before" if tier["is_since_or_before"] else "since", month=month(tier["since_month"]))

    def _reason(self, tier: Row) -> str:
        reason, values = tier["reason"], dict(tier)
        if reason in ("SPEND", "TENURE"):
            values |= self._met(tier, tier["months"][0], reason)
        elif reason == "HELD":
            held = tier["held"]
            source = next(each for each in tier["months"] if each["month"] == held["month"])
            values |= self._met(tier, source, held["way"])
            values["met"] = self._say(f"met_{held['way']}", **values)
            values["until"] = month(held["until_bill_month"])
        values["member_level"] = self._title("member_level", tier["member_level"])
        values["customer_type"] = self._title("customer_type", tier["customer_type"])
        values["tier"] = self._title("tier", tier["tier"])
        values["met"] = values.get("met") or (self._say(f"met_{reason}", **values) if "month" in values else "")
        return self._say(f"reason_{reason}", **values)

    def _met(self, tier: Row, found: Row, way: str) -> Row:
        """What a month had, and the rule that it met by it."""
        rule = next(each for each in tier["rules"] if (each["tier"], each["way"]) == (tier["tier"], way))
        return {
            "month": month(found["month"]),
            "arpu3": yuan(found["arpu3_fen"]),
            "months_had": found["tenure_months"],
            "from_yuan": yuan(rule["from_fen"]),
            "from_months": rule["from_months"],
        }

    def _month(self, each: Row) -> str:
        values = {"month": month(each["month"]), "tenure_months": each["tenure_months"]}
        if each["arpu3_fen"] is None:
            return self._say("month_without_bill", **values)
        bills = self._join(f"{month(bill['month'])} {yuan(bill['total_fen'])}" for bill in each["bills"])
        given = self._say(f"way_{each['way']}", tier=self._title("tier", each["tier"])) if each["tier"] else ""
        return self._say("month", arpu3=yuan(each["arpu3_fen"]), bills=bills, **values) + (
            given or self._say("way_none")
        )

    def _lacking(self, phrase: str, tier: str, ways: list[Row]) -> list[str]:
        said = self._say("or").join(self._way(way) for way in ways if not any(_is_easier(other, way) for other in ways))
        return [self._say(phrase, tier=self._title("tier", tier), ways=said)] if ways else []

    def _way(self, lacking: Row) -> str:
        parts = []
        if lacking["missing_fen"]:
            parts.append(self._say("missing_fen", amount=yuan(lacking["missing_fen"])))
        if lacking["missing_months"]:
            parts.append(self._say("missing_months", count=lacking["missing_months"]))
        return self._say("and").join(parts) or self._say("nothing")

    def _warning(self, warning: Row | None, as_of: str) -> list[str]:
        if warning is None:
            return [self._say("no_warning")]
        added = " + ".join(str(rule["points"]) for rule in warning["rules"])
        return [
            self._say("warning", added=added, **warning),
            *(self._rule(rule, as_of) for rule in warning["rules"]),
        ]

    def _rule(self, rule: Row, as_of: str) -> str:
        """A rule in words: its evidence and thresholds, amounts in yuan by the same names without _fen."""
        values = rule["evidence"] | rule["thresholds"]
        values |= {name.removesuffix("_fen"): yuan(value) for name, value in values.items() if name.endswith("_fen")}
        for name, bill in zip(("bill", "former"), self._bills(values), strict=False):
            values |= {f"{name}_month": month(bill["month"]), name: yuan(bill["total_fen"])}
        values["status"] = self._title("subscriber_status", values.get("status"))
        values["rate"] = f"{values.get('remaining_rate', 0) * 100:g} %"
        values["left"] = self._left(values, as_of) if rule["rule"] == "C3" else ""
        return self._say(rule["rule"], points=rule["points"], as_of=as_of, **_without_points(values))

    def _bills(self, values: Row) -> list[Row]:
        """Newest first."""
        return sorted(values.get("bills", []), key=lambda bill: str(bill["month"]), reverse=True)

    def _left(self, values: Row, as_of: str) -> str:
        """Which of the two conditions of C3 held: little of the amount or little of its time is left."""
        held = []
        if values["balance_fen"] < values["balance_below_fen"]:
            held.append(self._say("C3_balance", **_without_points(values)))
        expiry = values.get("expiry_date")
        if expiry and _index(expiry) == _index(as_of) + values["expiry_after_months"]:
            held.append(self._say("C3_expiry", **_without_points(values)))
        return self._say("and").join(held)

    def _customer(self, told: Row) -> list[str]:
        return [
            self._say("customer", **told | {"customer_type": self._title("customer_type", told["customer_type"])})
            + (self._say("blacklisted") if told["is_blacklisted"] else ""),
            *(self._subscriber(each) for each in told["subscribers"]),
            *self._loyalty(told["loyalty"], told["as_of"]),
            *self._value(told["value"], told["bill_month"]),
        ]

    def _subscriber(self, each: Row) -> str:
        tier = self._say("short_tier", tier=self._title("tier", each["tier"])) if each["tier"] else ""
        level = self._say("short_level", level=each["level"]) if each["level"] else ""
        return self._say("subscriber", **self._named(each)) + tier + level

    def _loyalty(self, loyalty: Row, as_of: str) -> list[str]:
        values = loyalty["measured"] | loyalty["thresholds"]
        values["at_risk"] = self._join(f"{each['user_id']} {each['level']}" for each in values["at_risk"])
        values["core"] = self._join(f"{each['user_id']} {each['tier']}" for each in values["core"])
        for name in ("at_risk_levels", "core_tiers"):
            values[name] = self._join(values[name])
        values["mean_rating"] = f"{values['rating_sum'] / max(values['rating_count'], 1):.2f}"
        because = self._say(f"class_{loyalty['class']}", as_of=as_of, **values)
        given = loyalty | {"tier": self._title("tier", loyalty["tier"])}
        return [
            self._say("loyalty", title=self._own(loyalty["class"]), because=because),
            self._say("action", **given),
        ]

    def _value(self, value: Row | None, bill_month: str | None) -> list[str]:
        if value is None:
            return [self._say("no_value")]
        numbers = value["thresholds"]
        lines = [self._say("score", title=self._own(value["segment"]), **numbers | value)]
        for part in value["parts"]:
            measured = part["measured"] | {
                name.removesuffix("_fen"): yuan(fen) for name, fen in part["measured"].items() if name.endswith("_fen")
            }
            said = self._say(
                f"part_{part['part']}", month=month(bill_month) if bill_month else "–", **numbers | measured
            )
            lines.append(self._say("part", points=part["points"], most=part["most"], said=said))
        whole = "whole" if value["is_of_whole_source"] else "not_whole"
        return [*lines, self._say(whole, clv=yuan(value["clv_fen"] or 0), **value)]

    def _join(self, parts: Any) -> str:
        return self._say("comma").join(parts)


def yuan(fen: float) -> str:
    """An amount of fen as yuan with two places, rounded half up; below zero with its sign."""
    whole = int(abs(fen) + 0.5)
    return f"{'-' if fen < 0 else ''}{whole // 100}.{whole % 100:02d}"


def month(text: str) -> str:
    """202611 as 2026-11."""
    return f"{text[:4]}-{text[4:]}"


def _is_easier(way: Row, other: Row) -> bool:
    """Whether one way lacks less than another, and nothing more."""
    lacks, others = ((each["missing_fen"], each["missing_months"]) for each in (way, other))
    return lacks != others and lacks[0] <= others[0] and lacks[1] <= others[1]


def _index(day: str) -> int:
    return int(day[:4]) * 12 + int(day[5:7])


def _without_points(values: Row) -> Row:
    return {name: value for name, value in values.items() if name not in ("points", "bills")}
