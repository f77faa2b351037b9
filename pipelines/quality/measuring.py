"""From the profile of a cycle, and of those it is compared with, to the measures that expectations are about.

Compared is with cycles of the same weekday (and hour), of a monthly feed with the months before: customers of an
operator behave by the week. A measure that has too little to go by has no value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import mean, median

from pipelines.contracts.measures import Measure, MeasureKind
from pipelines.contracts.model import Cadence
from pipelines.cycles import Cycle, cycle_at
from pipelines.quality.profile import Profile

_DIGITS = 6


def usual_cycles(cycle: Cycle, count: int) -> list[str]:
    """The cycles that one is compared with, newest first, whether or not they came."""
    if cycle.cadence is not Cadence.MONTHLY:
        return [cycle_at(cycle.cadence, cycle.start - timedelta(weeks=back)).text for back in range(1, count + 1)]
    found = []
    for _ in range(count):
        cycle = cycle_at(Cadence.MONTHLY, cycle.start - timedelta(days=1))
        found.append(cycle.text)
    return found


@dataclass(frozen=True)
class Enough:
    """Of how many rows a share says something, and with how many cycles one is compared at least."""

    rows: int
    cycles: int


def measure(wanted: Measure, cycle: Cycle, now: Profile, usual: Sequence[Profile], enough: Enough) -> float | None:
    """The value of one measure; None where too few rows, or too few of `usual`, would make it mere chance.

    The number of rows is compared where there usually are enough; whatever else is said of rows, where they are.
    """
    if wanted.kind is MeasureKind.ROW_COUNT_RATIO:
        usual = usual if usual and median(each.rows for each in usual) >= enough.rows else []
    elif now.rows < enough.rows:
        return None
    else:
        usual = [each for each in usual if each.rows >= enough.rows and _tells(wanted, each)]
    usual = usual if len(usual) >= enough.cycles else []
    value = _MEASURES[wanted.kind](wanted.column or "", cycle, now, usual)
    return None if value is None else round(value, _DIGITS)


def _tells(wanted: Measure, past: Profile) -> bool:
    """Whether a cycle says anything of a column: contracts grow, and codes are not always given."""
    told = {
        MeasureKind.NULL_SHARE_DRIFT: past.missing,
        MeasureKind.DISTINCT_RATIO: past.distinct,
        MeasureKind.DISTRIBUTION_DRIFT: {column for column, counts in past.codes.items() if counts},
    }
    return wanted.column in told.get(wanted.kind, {wanted.column})


def _ratio(now: float, usual: list[float]) -> float | None:
    middle = median(usual) if usual else 0
    return now / middle if middle > 0 else None


def _row_count_ratio(_: str, cycle: Cycle, now: Profile, usual: Sequence[Profile]) -> float | None:
    return _ratio(now.rows, [each.rows for each in usual])


def _sum_ratio(_: str, cycle: Cycle, now: Profile, usual: Sequence[Profile]) -> float | None:
    return _ratio(now.total or 0, [each.total or 0 for each in usual])


def _distinct_ratio(column: str, cycle: Cycle, now: Profile, usual: Sequence[Profile]) -> float | None:
    if column not in now.distinct:
        return None
    return _ratio(now.distinct[column] / now.rows, [each.distinct[column] / each.rows for each in usual])


def _null_share_drift(column: str, cycle: Cycle, now: Profile, usual: Sequence[Profile]) -> float | None:
    if not usual or column not in now.missing:
        return None
    return abs(now.missing[column] / now.rows - median(each.missing[column] / each.rows for each in usual))


def _distribution_drift(column: str, cycle: Cycle, now: Profile, usual: Sequence[Profile]) -> float | None:
    """Half the sum of what the shares of codes differ by: 0 the same, 1 no code in common."""
    present, past = _shares(now, column), [_shares(each, column) for each in usual]
    if not present or not past:
        return None
    codes = {code for shares in (present, *past) for code in shares}
    return sum(abs(present.get(code, 0) - mean(each.get(code, 0) for each in past)) for code in codes) / 2


def _shares(profile: Profile, column: str) -> dict[str, float]:
    counts = profile.codes.get(column, {})
    total = sum(counts.values())
    return {code: count / total for code, count in counts.items()}


def _orphan_share(column: str, cycle: Cycle, now: Profile, usual: Sequence[Profile]) -> float | None:
    given = now.rows - now.missing.get(column, 0)
    return now.orphans.get(column, 0) / given if given else None


def _age_share(_: str, cycle: Cycle, now: Profile, usual: Sequence[Profile]) -> float | None:
    if now.newest is None:
        return None
    return max((cycle.end - now.newest) / (cycle.end - cycle.start), 0)


_MEASURES: dict[MeasureKind, Callable[[str, Cycle, Profile, Sequence[Profile]], float | None]] = {
    MeasureKind.ROW_COUNT_RATIO: _row_count_ratio,
    MeasureKind.SUM_RATIO: _sum_ratio,
    MeasureKind.DISTINCT_RATIO: _distinct_ratio,
    MeasureKind.NULL_SHARE_DRIFT: _null_share_drift,
    MeasureKind.DISTRIBUTION_DRIFT: _distribution_drift,
    MeasureKind.ORPHAN_SHARE: _orphan_share,
    MeasureKind.AGE_SHARE: _age_share,
}
