"""What a policy file must hold: every name with the unit and range of its value, and how a file is read by it.

A shape is a mapping from names to readers or to further shapes; reading one gives a flat mapping from dotted names
(`tiers.D.spend_fen`) to entries, so that an override is a matter of names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from pipelines.contracts.yaml_lines import Item

TIERS = ("D", "G", "S", "N")  # best first, as the code list `tier` has them
CLASSES = ("PROSPECT", "LOST", "AT_RISK", "NEW", "INACTIVE", "ADVOCATE", "CORE", "REGULAR")
CODE = "[0-9A-Za-z_]{1,20}"

Reader = Callable[[Item], Any]


@dataclass(frozen=True)
class Band:
    """Values below `below` (None: all that are left), and at or above the bound of the band before, earn `points`."""

    below: Decimal | None
    points: int


@dataclass(frozen=True)
class Entry:
    """One value of a policy, and where in the file it stands."""

    value: Any
    item: Item


def read_shape(item: Item, shape: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Entry]]:
    """The values below `item`, by dotted name and in the order of the shape; what is optional and absent is None.

    Raises ConfigurationError (file, line, key, expected, found) for a key that the shape does not have, one that is
    missing, and a value of another type, unit or range.
    """
    optional = [name for name, part in shape.items() if isinstance(part, _Optional)]
    fields = item.fields([name for name in shape if name not in optional], optional)
    for name, part in shape.items():
        dotted = f"{prefix}{name}"
        if name not in fields:
            yield dotted, Entry(None, item)
            continue
        field = replace(fields[name], key=f"{item.key}.{name}")
        if isinstance(part, Mapping):
            yield from read_shape(field, part, f"{dotted}.")
        else:
            yield dotted, Entry(part(field), field)


@dataclass(frozen=True)
class _Optional:
    reader: Reader

    def __call__(self, item: Item) -> Any:
        return None if item.value is None else self.reader(item)


def _number(item: Item) -> Decimal:
    if isinstance(item.value, bool) or not isinstance(item.value, int | float) or item.value < 0:
        raise item.error("a number from 0 on, such as 1.20")
    return Decimal(str(item.value))


def _rate(item: Item) -> Decimal:
    if isinstance(item.value, int | float) and not isinstance(item.value, bool) and item.value > 1:
        raise item.error("a fraction from 0 to 1, such as 0.95 for 95 %")
    return Decimal(str(item.share()))


def _amount(item: Item) -> int:
    if isinstance(item.value, float):
        raise item.error("whole fen (1 yuan = 100 fen)")
    return item.whole(0)


def _count(item: Item) -> int:
    return item.whole(1)


def _kpi_months(item: Item) -> int:
    return item.whole(1, 60)  # sets of months are bits of one number (mart.customer_product)


def _points(item: Item) -> int:
    return item.whole(0)


def _code(item: Item) -> str:
    return item.text(CODE)


def _codes(item: Item) -> tuple[str, ...]:
    for entry in item.items():
        replace(entry, key=item.key).text(CODE)
    return item.texts()


def _tier(item: Item) -> str:
    return item.choice(TIERS)


def _tiers(item: Item) -> tuple[str, ...]:
    return tuple(replace(entry, key=item.key).choice(TIERS) for entry in item.items())


def _time_of_day(item: Item) -> str:
    return item.text("([01][0-9]|2[0-3]):[0-5][0-9]")


def _words(item: Item) -> str:
    return item.text("[^|\\r\\n]{1,60}")


def _bands(bound: str, reader: Reader) -> Reader:
    def read(item: Item) -> tuple[Band, ...]:
        *bounded, last = (replace(entry, key=item.key) for entry in item.items())
        bands = [_band(entry.fields([bound, "points"]), bound, reader, item.key) for entry in bounded]
        for above, below, entry in zip(bands[1:], bands, bounded[1:], strict=False):
            if above.below <= below.below:  # type: ignore[operator]  # every one of these has a bound
                raise entry.error(f"{bound} above {below.below}, that of the band before", str(above.below))
        return (*bands, Band(None, _points(last.fields(["points"])["points"])))

    return read


def _band(fields: Mapping[str, Item], bound: str, reader: Reader, key: str) -> Band:
    below = reader(replace(fields[bound], key=f"{key}.{bound}"))
    return Band(Decimal(below), _points(replace(fields["points"], key=f"{key}.points")))


_THRESHOLDS = {"spend_fen": _amount, "tenure_spend_fen": _amount, "tenure_months": _count}
_SERVICE = {
    "ivr_entry": _code,
    "priority": _count,
    "skill_group": _code,
    "overflow_group": _Optional(_code),
    "overflow_after_s": _Optional(_count),
    "answer_rate": _rate,
    "answer_within_s": _count,
    "work_order_due_s": _count,
}
_ACTION = {"service": lambda item: item.choice(("A", "B")), "action": _code, "advice": _words}
_CAMPAIGN = {"priority": _count, "script_code": _code, "consent": lambda item: item.flag()}

_RATIO = {"least": _number, "most": _number}
_SHARE = {"most": _rate}

# The same for all sources: totals over them need one measure, and so do findings about their cycles.
COMMON: Mapping[str, Mapping[str, Any]] = {
    "history": {"arpu_months": _count, "held_months": _count, "kpi_months": _kpi_months},
    "quality": {
        "history_cycles": _count,
        "history_least": _count,
        "rows_least": _count,
        "row_count_ratio": _RATIO,
        "sum_ratio": _RATIO,
        "distinct_ratio": _RATIO,
        "null_share_drift": _SHARE,
        "distribution_drift": _SHARE,
        "orphan_share": _SHARE,
        "age_share": {"most": _number},
    },
}
SHAPE: Mapping[str, Any] = {
    "tiers": dict.fromkeys(TIERS[:-1], _THRESHOLDS),
    "tiering": {"products": _codes, "group_types": _codes, "group_tier": _tier},
    "service_levels": dict.fromkeys(TIERS, _SERVICE),
    "warnings": {
        "C1": {"points": _points, "statuses": _codes, "unbroken_days": _count},
        "C2": {"points": _points, "statuses": _codes, "from_day_of_month": _count},
        "C3": {
            "points": _points,
            "pay_mode": _code,
            "payment_kind": _code,
            "payment_above_fen": _amount,
            "payment_days": _count,
            "expiry_after_months": _points,
            "balance_below_fen": _amount,
        },
        "C4": {"points": _points, "bill_above_fen": _amount, "remaining_rate": _rate},
        "C5": {"points": _points, "bill_above_fen": _amount, "status": _code, "silent_days": _count},
        "risk_cap": _count,
        "medium_from": _count,
        "high_from": _count,
    },
    "loyalty": {
        "at_risk_levels": _codes,
        "new_months": _count,
        "inactive_days": _count,
        "core_tiers": _tiers,
        "core_months": _count,
        "advocate_months": _count,
        "advocate_ratings": _count,
        "advocate_mean_rating": _number,
        "actions": {name: dict.fromkeys(TIERS, _ACTION) for name in CLASSES},
    },
    "value": {
        "score_sum": _count,
        "spend_bands": _bands("below_fen", _amount),
        "tenure_bands": _bands("below_months", _count),
        "payment_months": _count,
        "payment_points": _points,
        "product_bands": _bands("below_count", _count),
        "growth_months": _count,
        "growth_bands": _bands("below_rate", _number),
        "complaint_months": _count,
        "complaint_bands": _bands("below_count", _count),
        "key_score": _count,
        "potential_score": _count,
        "growing_points": _points,
        "growing_score": _count,
        "normal_score": _count,
        "clv_months": _count,
        "clv_cap_months": _count,
        "pareto_a_rate": _rate,
        "pareto_b_rate": _rate,
    },
    "kpis": {
        "new_retention_months": _count,
        "share_products": _count,
        "satisfied_rating": _count,
        "complaints_per": _count,
        "top_share_rate": _rate,
    },
    "calls": {
        "products": _codes,
        "not_before": _time_of_day,
        "not_after": _time_of_day,
        "quiet_days": _count,
        "campaigns": {
            "ARREARS": {**_CAMPAIGN, "statuses": _codes},
            "RETAIN": {**_CAMPAIGN, "levels": _codes},
            "WINBACK": {**_CAMPAIGN, "days": _count},
            "CARE": {**_CAMPAIGN, "days": _count, "tiers": _tiers, "customer_types": _codes},
            "SURVEY": {**_CAMPAIGN, "days": _count},
        },
    },
    "work_orders": {"retention_levels": _codes, "complaint_days": _count},
}
