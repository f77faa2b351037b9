"""What is measured of a cycle as a whole, and what a contract expects of it: the words between contract and profile."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.contracts.model import Contract


class MeasureKind(StrEnum):
    """What a measure tells of the rows of one source and cycle, against the usual: that of comparable cycles before.

    Comparable are cycles of the same weekday (of hourly feeds, and hour); of monthly feeds the months before.
    """

    ROW_COUNT_RATIO = "row_count_ratio"  # rows / the usual number
    SUM_RATIO = "sum_ratio"  # sum of the control column / the usual one
    NULL_SHARE_DRIFT = "null_share_drift"  # share of missing values less the usual one, absolute: 0 to 1
    DISTRIBUTION_DRIFT = "distribution_drift"  # total variation distance of the shares of codes from the usual: 0 to 1
    DISTINCT_RATIO = "distinct_ratio"  # distinct values a row / the usual
    ORPHAN_SHARE = "orphan_share"  # share of the given values of a foreign key that are not found: 0 to 1
    AGE_SHARE = "age_share"  # from the newest event to the end of the cycle / the cycle's length


# They never exceed 1, so a bound above it is a mistake (a percentage, most likely).
SHARES = (MeasureKind.NULL_SHARE_DRIFT, MeasureKind.DISTRIBUTION_DRIFT, MeasureKind.ORPHAN_SHARE)


class Severity(StrEnum):
    """What a failed expectation means, as the contract says: a warning, or a failure."""

    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Measure:
    """A measure of a feed, named as its column in the profile; `column` None: it is of the rows as such."""

    name: str
    kind: MeasureKind
    column: str | None


@dataclass(frozen=True)
class QualityRule:
    """What a contract expects of one measure, in place of the policy's bounds; both bounds included, from 0 on.

    `least` or `most` None: open on that side, whatever the policy says; one of them is given.
    """

    measure: str
    least: float | None
    most: float | None
    severity: Severity
    description: str


def measures_of(contract: Contract) -> tuple[Measure, ...]:
    """The measures that a contract has: of the rows, then by kind, within a kind in the order of the contract.

    Names are unique. Source of the rule: the contract's control column, columns, foreign keys and event time.
    """
    keys = [key.column for key in contract.foreign_keys]
    entity = [contract.entity_key] if contract.stateful else []
    columns = {
        MeasureKind.SUM_RATIO: [contract.control_column] if contract.control_column else [],
        MeasureKind.NULL_SHARE_DRIFT: [column.name for column in contract.columns if not column.required],
        MeasureKind.DISTRIBUTION_DRIFT: [column.name for column in contract.columns if len(column.codes) > 1],
        MeasureKind.DISTINCT_RATIO: list(dict.fromkeys([*keys, *entity])),  # an entity's key may be a foreign one
        MeasureKind.ORPHAN_SHARE: keys,
        MeasureKind.AGE_SHARE: [contract.event_time] if contract.event_time else [],
    }
    of_columns = (Measure(f"{name}_{kind}", kind, name) for kind, names in columns.items() for name in names)
    return (Measure(MeasureKind.ROW_COUNT_RATIO.value, MeasureKind.ROW_COUNT_RATIO, None), *of_columns)
