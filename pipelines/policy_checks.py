"""What must hold between the values of a policy: order, no overlap, sums."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from pipelines.contracts.model import Contracts
from pipelines.policy_shape import COMMON, Entry
from pipelines.policy_values import TIERS

CAMPAIGNS = ("ARREARS", "RETAIN", "WINBACK", "CARE", "SURVEY")
_BANDS = ("spend", "tenure", "product", "growth", "complaint")
# Of which code list the codes are that rows are compared with.
_CODE_LISTS = {
    "tiering.products": "product",
    "tiering.group_types": "customer_type",
    "warnings.C1.statuses": "subscriber_status",
    "warnings.C2.statuses": "subscriber_status",
    "warnings.C3.pay_mode": "pay_mode",
    "warnings.C3.payment_kind": "payment_kind",
    "warnings.C5.status": "subscriber_status",
    "calls.products": "product",
    "calls.campaigns.ARREARS.statuses": "subscriber_status",
    "calls.campaigns.CARE.customer_types": "customer_type",
}
_BEST_RATING = 5
_LAST_DAY = 31


def check_values(entries: Mapping[str, Entry]) -> None:
    """Raises ConfigurationError at the first value that contradicts another: the place of the later of the two."""
    for name in ("spend_fen", "tenure_spend_fen", "tenure_months"):
        _descending(entries, *(f"tiers.{tier}.{name}" for tier in TIERS[:-1]))
    for tier in TIERS[:-1]:
        _descending(entries, f"tiers.{tier}.spend_fen", f"tiers.{tier}.tenure_spend_fen")
    _check_service(entries)
    _descending(entries, "warnings.high_from", "warnings.medium_from")
    _at_most(entries, "warnings.high_from", entries["warnings.risk_cap"].value)
    _at_most(entries, "warnings.C2.from_day_of_month", _LAST_DAY)
    _at_most(entries, "loyalty.advocate_mean_rating", _BEST_RATING)
    _at_most(entries, "kpis.satisfied_rating", _BEST_RATING)
    _descending(entries, "loyalty.core_months", "loyalty.new_months")
    _check_score(entries)
    _descending(entries, "value.pareto_b_rate", "value.pareto_a_rate")
    _descending(entries, "calls.not_after", "calls.not_before")
    _check_campaigns(entries)


def check_codes(entries: Mapping[str, Entry], contracts: Contracts) -> None:
    """Raises ConfigurationError for a code that the list of its kind does not have: no row would ever meet it."""
    known = {each.name: [code.value for code in each.codes] for each in contracts.code_lists}
    for name, code_list in _CODE_LISTS.items():
        item = entries[name].item
        if code_list not in known:
            raise item.error(f"contracts with the code list {code_list}", "none")
        for entry in item.items() if isinstance(item.value, tuple) else [item]:
            entry.choice(known[code_list])


def check_common(entries: Mapping[str, Entry]) -> None:
    """The same of what all sources share: the history asked for is one that is looked at, bounds leave room."""
    _not_above(entries, "quality.history_least", "quality.history_cycles")
    for name, shape in COMMON["quality"].items():
        if isinstance(shape, Mapping) and "least" in shape:
            _not_above(entries, f"quality.{name}.least", f"quality.{name}.most")


def _check_service(entries: Mapping[str, Entry]) -> None:
    """Calls overflow to the skill group of a lower tier only, so that none can run in a circle."""
    _descending(entries, *(f"service_levels.{tier}.priority" for tier in reversed(TIERS)))
    for place, tier in enumerate(TIERS):
        group, after = (entries[f"service_levels.{tier}.{name}"] for name in ("overflow_group", "overflow_after_s"))
        if (group.value is None) != (after.value is None):
            raise after.item.error("overflow_group and overflow_after_s, or neither", "one of them")
        lower = [entries[f"service_levels.{other}.skill_group"].value for other in TIERS[place + 1 :]]
        if group.value is not None and group.value not in lower:
            raise group.item.error(f"the skill group of a lower tier ({', '.join(lower) or 'there is none'})")


def _check_score(entries: Mapping[str, Entry]) -> None:
    best = {name: max(band.points for band in entries[f"value.{name}_bands"].value) for name in _BANDS}
    total = sum(best.values()) + entries["value.payment_points"].value
    expected = entries["value.score_sum"]
    if total != expected.value:
        parts = " + ".join([*(f"{name} {points}" for name, points in best.items()), "payment"])
        raise expected.item.error(f"the sum of the best of all parts, {total} ({parts})")
    names = ("key_score", "potential_score", "growing_score", "normal_score")
    _descending(entries, *(f"value.{name}" for name in names))
    _at_most(entries, "value.key_score", total)
    growing = entries["value.growing_points"]
    if growing.value not in [band.points for band in entries["value.growth_bands"].value]:
        raise growing.item.error("the points of one of growth_bands")


def _check_campaigns(entries: Mapping[str, Entry]) -> None:
    seen: dict[int, str] = {}
    for campaign in CAMPAIGNS:
        entry = entries[f"calls.campaigns.{campaign}.priority"]
        if entry.value in seen:
            raise entry.item.error("a priority of its own", f"{entry.value}, that of {seen[entry.value]}")
        seen[entry.value] = campaign


def _descending(entries: Mapping[str, Entry], *names: str) -> None:
    for upper, lower in pairwise(names):
        if entries[lower].value >= entries[upper].value:
            raise entries[lower].item.error(f"less than {upper} ({entries[upper].value})", f"{entries[lower].value}")


def _not_above(entries: Mapping[str, Entry], lower: str, upper: str) -> None:
    if entries[lower].value > entries[upper].value:
        raise entries[lower].item.error(f"not above {upper} ({entries[upper].value})", f"{entries[lower].value}")


def _at_most(entries: Mapping[str, Entry], name: str, bound: int) -> None:
    if entries[name].value > bound:
        raise entries[name].item.error(f"at most {bound}", f"{entries[name].value}")
