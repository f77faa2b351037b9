"""What a policy file must hold: every name with the unit and range of its value, and how a file is read by it.

A shape is a mapping from names to readers or to further shapes; reading one gives a flat mapping from dotted names
(`tiers.D.spend_fen`) to entries, so that an override is a matter of names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipelines import policy_values as read
from pipelines.contracts.yaml_lines import Item
from pipelines.policy_values import TIERS

CLASSES = ("PROSPECT", "LOST", "AT_RISK", "NEW", "INACTIVE", "ADVOCATE", "CORE", "REGULAR")


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
    optional = [name for name, part in shape.items() if isinstance(part, read.Optional)]
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


_THRESHOLDS = {"spend_fen": read.amount, "tenure_spend_fen": read.amount, "tenure_months": read.months}
_SERVICE = {
    "ivr_entry": read.code,
    "priority": read.count,
    "skill_group": read.code,
    "overflow_group": read.Optional(read.code),
    "overflow_after_s": read.Optional(read.seconds),
    "answer_rate": read.rate,
    "answer_within_s": read.seconds,
    "work_order_due_s": read.seconds,
}
_ACTION = {"service": lambda item: item.choice(("A", "B")), "action": read.code, "advice": read.words}
_CAMPAIGN = {"priority": read.count, "script_code": read.code, "consent": lambda item: item.flag()}

_RATIO = {"least": read.number, "most": read.number}
_SHARE = {"most": read.rate}

# The same for all sources: totals over them need one measure, and so do findings about their cycles.
COMMON: Mapping[str, Mapping[str, Any]] = {
    "history": {"arpu_months": read.months, "held_months": read.months, "kpi_months": read.few_months},
    "quality": {
        "history_cycles": read.count,
        "history_least": read.count,
        "rows_least": read.count,
        "row_count_ratio": _RATIO,
        "sum_ratio": _RATIO,
        "distinct_ratio": _RATIO,
        "null_share_drift": _SHARE,
        "distribution_drift": _SHARE,
        "orphan_share": _SHARE,
        "age_share": {"most": read.number},
    },
}
SHAPE: Mapping[str, Any] = {
    "tiers": dict.fromkeys(TIERS[:-1], _THRESHOLDS),
    "tiering": {"products": read.codes, "group_types": read.codes, "group_tier": read.tier},
    "service_levels": dict.fromkeys(TIERS, _SERVICE),
    "warnings": {
        "C1": {"points": read.points, "statuses": read.codes, "unbroken_days": read.days},
        "C2": {"points": read.points, "statuses": read.codes, "from_day_of_month": read.count},
        "C3": {
            "points": read.points,
            "pay_mode": read.code,
            "payment_kind": read.code,
            "payment_above_fen": read.amount,
            "payment_days": read.days,
            "expiry_after_months": read.months_ahead,
            "balance_below_fen": read.amount,
        },
        "C4": {"points": read.points, "bill_above_fen": read.amount, "remaining_rate": read.rate},
        "C5": {"points": read.points, "bill_above_fen": read.amount, "status": read.code, "silent_days": read.days},
        "risk_cap": read.count,
        "medium_from": read.count,
        "high_from": read.count,
    },
    "loyalty": {
        "at_risk_levels": read.levels,
        "new_months": read.months,
        "inactive_days": read.days,
        "core_tiers": read.tiers,
        "core_months": read.months,
        "advocate_months": read.months,
        "advocate_ratings": read.count,
        "advocate_mean_rating": read.number,
        "actions": {name: dict.fromkeys(TIERS, _ACTION) for name in CLASSES},
    },
    "value": {
        "score_sum": read.count,
        "spend_bands": read.bands("below_fen", read.amount),
        "tenure_bands": read.bands("below_months", read.months),
        "payment_months": read.months,
        "payment_points": read.points,
        "product_bands": read.bands("below_count", read.count),
        "growth_months": read.months,
        "growth_bands": read.bands("below_rate", read.number),
        "complaint_months": read.months,
        "complaint_bands": read.bands("below_count", read.count),
        "key_score": read.count,
        "potential_score": read.count,
        "growing_points": read.points,
        "growing_score": read.count,
        "normal_score": read.count,
        "clv_months": read.few_months,
        "clv_cap_months": read.months,
        "pareto_a_rate": read.rate,
        "pareto_b_rate": read.rate,
    },
    "kpis": {
        "new_retention_months": read.months,
        "share_products": read.count,
        "satisfied_rating": read.count,
        "complaints_per": read.count,
        "top_share_rate": read.rate,
    },
    "calls": {
        "products": read.codes,
        "not_before": read.time_of_day,
        "not_after": read.time_of_day,
        "quiet_days": read.days,
        "campaigns": {
            "ARREARS": {**_CAMPAIGN, "statuses": read.codes},
            "RETAIN": {**_CAMPAIGN, "levels": read.levels},
            "WINBACK": {**_CAMPAIGN, "days": read.days},
            "CARE": {**_CAMPAIGN, "days": read.days, "tiers": read.tiers, "customer_types": read.codes},
            "SURVEY": {**_CAMPAIGN, "days": read.days},
        },
    },
    "work_orders": {"retention_levels": read.levels, "complaint_days": read.days},
}
