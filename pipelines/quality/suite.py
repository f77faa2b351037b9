"""A feed's suite, generated from its contract and the policy."""

from __future__ import annotations

from typing import Any

from pipelines.contracts.measures import Measure, MeasureKind, Severity
from pipelines.contracts.model import Cadence, Contract
from pipelines.policy import Policy
from pipelines.quality.expectations import Expected

_SENTENCES = {
    MeasureKind.ROW_COUNT_RATIO: "Rows against the usual number for {usual}",
    MeasureKind.SUM_RATIO: "Sum of '{title}' against the usual sum for {usual}",
    MeasureKind.NULL_SHARE_DRIFT: "Share of missing values of '{title}', difference from the usual",
    MeasureKind.DISTRIBUTION_DRIFT: "Shares of the codes of '{title}', distance from the usual (0 none, 1 all differ)",
    MeasureKind.DISTINCT_RATIO: "Different values of '{title}' a row against the usual",
    MeasureKind.ORPHAN_SHARE: "Share of the values of '{title}' that are not found in {feed}",
    MeasureKind.AGE_SHARE: "Newest '{title}' before the end of the cycle, as a share of the cycle's length",
}
_USUAL = {
    Cadence.HOURLY: "this weekday and hour",
    Cadence.DAILY: "this weekday",
    Cadence.MONTHLY: "a month",
}


def suite_of(contract: Contract, policy: Policy) -> tuple[Expected, ...]:
    """One expectation for each measure of the contract, in its order.

    Bounds, severity and description are those of the contract's quality where it names the measure; else the policy's
    bounds for its kind, a warning, and a sentence with the column's English title.
    """
    rules = {rule.measure: rule for rule in contract.quality}
    suite = []
    for measure in contract.measures:
        rule = rules.get(measure.name)
        if rule is None:
            suite.append(_by_policy(contract, measure, policy))
        else:
            suite.append(Expected(measure.name, rule.least, rule.most, rule.severity, rule.description))
    return tuple(suite)


def _by_policy(contract: Contract, measure: Measure, policy: Policy) -> Expected:
    least, most = (_number(policy.default.get(f"quality.{measure.kind}.{end}")) for end in ("least", "most"))
    return Expected(measure.name, least, most, Severity.WARN, _sentence(contract, measure))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _sentence(contract: Contract, measure: Measure) -> str:
    title = "" if measure.column is None else contract.column(measure.column).title_en
    feed = next((key.feed for key in contract.foreign_keys if key.column == measure.column), "")
    return _SENTENCES[measure.kind].format(title=title, feed=feed, usual=_USUAL[contract.schedule.cadence])
