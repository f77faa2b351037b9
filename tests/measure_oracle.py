"""Measures of a cycle as the manual words them, read slowly and exactly."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

from pipelines.contracts.measures import MeasureKind
from pipelines.cycles import Cycle
from pipelines.quality.measuring import Enough
from pipelines.quality.profile import Profile

COLUMN = "user_id"
CODES = ["1", "2", "9", "中"]
_DAY = 24 * 3600 * 10**6  # microseconds: the cycles here are days


def middle(values: list[Fraction]) -> Fraction:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def share(part: int, of: int) -> Fraction:
    return Fraction(part, of)


def plain_ratio(now: Fraction, usual: list[Fraction]) -> Fraction | None:
    return now / middle(usual) if usual and middle(usual) > 0 else None


def plain_distinct(now: Profile, usual: list[Profile]) -> Fraction | None:
    if COLUMN not in now.distinct:
        return None
    return plain_ratio(
        share(now.distinct[COLUMN], now.rows), [share(each.distinct[COLUMN], each.rows) for each in usual]
    )


def plain_null_drift(now: Profile, usual: list[Profile]) -> Fraction | None:
    if COLUMN not in now.missing or not usual:
        return None
    return abs(
        share(now.missing[COLUMN], now.rows) - middle([share(each.missing[COLUMN], each.rows) for each in usual])
    )


def plain_distribution(now: Profile, usual: list[Profile]) -> Fraction | None:
    present = now.codes.get(COLUMN)
    if not present or not usual:
        return None
    distance = Fraction(0)
    for code in CODES:
        theirs = [code_share(each.codes[COLUMN], code) for each in usual]
        more = code_share(present, code) - sum(theirs, Fraction(0)) / len(theirs)
        distance += more if more > 0 else 0
    return distance


def code_share(counts: dict[str, int], code: str) -> Fraction:
    return share(counts.get(code, 0), sum(counts.values()))


def plain_orphans(now: Profile) -> Fraction | None:
    values = now.rows - now.missing.get(COLUMN, 0)
    return share(now.orphans.get(COLUMN, 0), values) if values else None


def tells(kind: MeasureKind, profile: Profile) -> bool:
    """Whether a cycle before says anything of the column, as far as the measure asks for it."""
    told: dict[MeasureKind, dict[str, object]] = {
        MeasureKind.DISTINCT_RATIO: {**profile.distinct},
        MeasureKind.NULL_SHARE_DRIFT: {**profile.missing},
        MeasureKind.DISTRIBUTION_DRIFT: {name: counts for name, counts in profile.codes.items() if counts},
    }
    return COLUMN in told.get(kind, {COLUMN: 1})


def plain_age(cycle: Cycle, now: Profile) -> Fraction | None:
    if now.newest_at is None:
        return None
    left = cycle.end - datetime.fromisoformat(now.newest_at)
    return max(Fraction(left // timedelta(microseconds=1), _DAY), Fraction(0))


def plain(kind: MeasureKind, cycle: Cycle, now: Profile, usual: list[Profile], enough: Enough) -> Fraction | None:
    """The measure as the manual words it, slowly and exactly."""
    if kind is MeasureKind.ROW_COUNT_RATIO:
        rows = [Fraction(each.rows) for each in usual]
        is_enough = len(rows) >= enough.cycles and bool(rows) and middle(rows) >= enough.rows
        return plain_ratio(Fraction(now.rows), rows) if is_enough else None
    if now.rows < enough.rows:
        return None
    large = [each for each in usual if each.rows >= enough.rows and tells(kind, each)]
    usual = large if len(large) >= enough.cycles else []
    if kind is MeasureKind.SUM_RATIO:
        return plain_ratio(Fraction(now.total or 0), [Fraction(each.total or 0) for each in usual])
    if kind is MeasureKind.ORPHAN_SHARE:
        return plain_orphans(now)
    if kind is MeasureKind.AGE_SHARE:
        return plain_age(cycle, now)
    against_usual = {
        MeasureKind.DISTINCT_RATIO: plain_distinct,
        MeasureKind.NULL_SHARE_DRIFT: plain_null_drift,
        MeasureKind.DISTRIBUTION_DRIFT: plain_distribution,
    }
    return against_usual[kind](now, usual)
