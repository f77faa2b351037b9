"""What a contract expects of a feed's cycles as a whole, from the list `quality` of its table."""

from __future__ import annotations

from pipelines.contracts.measures import SHARES, Measure, QualityRule, Severity
from pipelines.contracts.model import Contract
from pipelines.contracts.yaml_lines import Item

# The standard's words for them, as contracts write them.
SEVERITY_WORDS = {Severity.WARN: "warning", Severity.FAIL: "error"}
_SEVERITIES = {word: severity for severity, word in SEVERITY_WORDS.items()}
_KEYS = ["type", "engine", "severity", "description", "implementation"]


def read_quality(item: Item, contract: Contract) -> tuple[QualityRule, ...]:
    """The rules in their order, each on one of the contract's measures and no measure twice.

    Raises ConfigurationError (file, line, key, expected, found) where they are not sound.
    """
    measures = {measure.name: measure for measure in contract.measures}
    rules: dict[str, QualityRule] = {}
    for entry in item.items():
        fields = entry.fields(_KEYS)
        fields["type"].choice(["custom"])
        fields["engine"].choice(["tierline"])
        bounds = fields["implementation"].fields(["expect"], ["least", "most"])
        measure = measures[bounds["expect"].choice(measures)]
        if measure.name in rules:
            raise bounds["expect"].error("every measure once", f"{measure.name} twice")
        least, most = _bounds(fields["implementation"], bounds, measure)
        severity = _SEVERITIES[fields["severity"].choice(_SEVERITIES)]
        rules[measure.name] = QualityRule(measure.name, least, most, severity, fields["description"].text())
    return tuple(rules.values())


def _bounds(item: Item, bounds: dict[str, Item], measure: Measure) -> tuple[float | None, float | None]:
    least, most = (_bound(bounds[end], measure) if end in bounds else None for end in ("least", "most"))
    if least is None and most is None:
        raise item.error("least, most or both", "neither")
    if least is not None and most is not None and least > most:
        raise bounds["least"].error(f"a number not above most ({most:g})")
    return least, most


def _bound(item: Item, measure: Measure) -> float:
    return item.share() if measure.kind in SHARES else item.number()
