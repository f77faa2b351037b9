"""Measures of a cycle against a plain reading of what the manual says of each, and the cycles it is compared with."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from measure_oracle import CODES, COLUMN, plain, tells

from pipelines.contracts.measures import Measure, MeasureKind
from pipelines.contracts.model import Cadence
from pipelines.cycles import Cycle, parse_cycle
from pipelines.quality.measuring import Enough, measure, usual_cycles
from pipelines.quality.profile import Profile

EXACT_TO = Fraction(1, 1_000_000)  # values are rounded to six digits
SHARE_KINDS = [kind for kind in MeasureKind if kind is not MeasureKind.ROW_COUNT_RATIO]

# cadence | cycle | the cycles it is compared with, newest first
USUAL = """
monthly | 202603 | 202602 202601 202512 202511
monthly | 202401 | 202312 202311 202310 202309
monthly | 200003 | 200002 200001 199912 199911
daily | 20240307 | 20240229 20240222 20240215 20240208
daily | 20230307 | 20230228 20230221 20230214 20230207
daily | 20260331 | 20260324 20260317 20260310 20260303
daily | 20270105 | 20261229 20261222 20261215 20261208
hourly | 2024030700 | 2024022900 2024022200 2024021500 2024020800
hourly | 2027010123 | 2026122523 2026121823 2026121123 2026120423
"""


def cycle_of(cadence: Cadence, text: str) -> Cycle:
    cycle = parse_cycle(cadence, text)
    assert cycle is not None
    return cycle


@pytest.mark.parametrize("line", USUAL.strip().splitlines(), ids=lambda line: line.split(" | ")[1])
def test_the_usual_cycles_are_those_of_the_weekday_and_hour_or_the_months_before(line: str) -> None:
    cadence, text, usual = line.split(" | ")
    cycle = cycle_of(Cadence(cadence), text)
    assert usual_cycles(cycle, 4) == usual.split()
    assert usual_cycles(cycle, 1) == usual.split()[:1]


def previous_month(text: str) -> str:
    year, month = int(text[:4]), int(text[4:])
    return f"{year - (month == 1):04d}{12 if month == 1 else month - 1:02d}"


@given(moment=st.datetimes(datetime(1950, 1, 1), datetime(2200, 1, 1)), count=st.integers(1, 60))
def test_the_usual_cycles_of_any_moment(moment: datetime, count: int) -> None:
    hour, day = f"{moment:%Y%m%d%H}", f"{moment:%Y%m%d}"
    weeks = [moment - timedelta(days=7 * back) for back in range(1, count + 1)]
    assert all(each.weekday() == moment.weekday() for each in weeks)
    assert usual_cycles(cycle_of(Cadence.HOURLY, hour), count) == [f"{each:%Y%m%d%H}" for each in weeks]
    assert usual_cycles(cycle_of(Cadence.DAILY, day), count) == [f"{each:%Y%m%d}" for each in weeks]
    month, months = f"{moment:%Y%m}", list[str]()
    for _ in range(count):
        months.append(previous_month(months[-1] if months else month))
    assert usual_cycles(cycle_of(Cadence.MONTHLY, month), count) == months


def counts(most: int) -> st.SearchStrategy[int]:
    return st.integers(0, most)


@st.composite
def profiles(draw: st.DrawFn, whole: bool = False) -> Profile:
    """What a cycle may come to: counts never exceed the rows; unless `whole`, nothing may be said of the column."""
    rows = draw(st.integers(5 if whole else 0, 12))
    missing = draw(counts(rows))
    newest = draw(st.none() | st.datetimes(datetime(2026, 11, 1), datetime(2026, 11, 23)))
    codes = draw(st.dictionaries(st.sampled_from(CODES), st.integers(1, 9), min_size=1))
    says = [whole or draw(st.booleans()) for _ in range(3)]
    return Profile(
        rows=rows,
        total=draw(st.none() | st.integers(-(10**20), 10**20)),
        missing={COLUMN: missing} if says[0] else {},
        distinct={COLUMN: draw(counts(rows))} if says[1] else {},
        codes={COLUMN: codes} if says[2] else draw(st.sampled_from([{}, {COLUMN: {}}])),
        newest_at=None if newest is None else newest.isoformat(),
        orphans={COLUMN: draw(counts(rows - missing))} if draw(st.booleans()) else {},
    )


def histories() -> st.SearchStrategy[list[Profile]]:
    """A cycle, and those it is compared with."""
    return st.lists(profiles(whole=True), min_size=4, max_size=7) | st.lists(profiles(), min_size=1, max_size=7)


@pytest.mark.parametrize("kind", MeasureKind)
@given(history=histories(), rows=st.integers(1, 6), cycles=st.integers(1, 4))
def test_every_measure_as_a_slow_reader_finds_it(
    kind: MeasureKind, history: list[Profile], rows: int, cycles: int
) -> None:
    now, *usual = history
    enough, cycle = Enough(rows, cycles), cycle_of(Cadence.DAILY, "20261122")
    telling = sum(tells(kind, each) and each.rows >= rows for each in usual)
    assume(telling == 0 or telling >= cycles)  # what lies between has a test of its own
    found = measure(Measure("x", kind, COLUMN), cycle, now, usual, enough)
    expected = plain(kind, cycle, now, usual, enough)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert abs(Fraction(found) - expected) <= EXACT_TO + abs(expected) / 10**12


def profile_of(rows: int, **values: object) -> Profile:
    """A cycle of so many rows, a tenth of them without the column's value, all else as usual."""
    usual = Profile(rows, rows * 100, {COLUMN: rows // 10}, {COLUMN: rows // 2}, {COLUMN: {"1": rows}},
                    "2026-11-22T23:00:00", {COLUMN: 1})  # fmt: skip
    return replace(usual, **values)  # type: ignore[arg-type]


def value(kind: MeasureKind, now: Profile, usual: list[Profile], enough: Enough) -> float | None:
    return measure(Measure("x", kind, COLUMN), cycle_of(Cadence.DAILY, "20261122"), now, usual, enough)


NEEDS_HISTORY = [kind for kind in MeasureKind if kind not in (MeasureKind.ORPHAN_SHARE, MeasureKind.AGE_SHARE)]


@pytest.mark.parametrize("kind", NEEDS_HISTORY)
def test_exactly_as_many_cycles_as_asked_for_are_enough(kind: MeasureKind) -> None:
    found = [value(kind, profile_of(60), [profile_of(60)] * count, Enough(50, 3)) for count in range(5)]
    assert [each is None for each in found] == [True, True, True, False, False]


@pytest.mark.parametrize("kind", SHARE_KINDS)
def test_exactly_as_many_rows_as_asked_for_are_enough(kind: MeasureKind) -> None:
    found = [value(kind, profile_of(rows), [profile_of(60)] * 3, Enough(50, 3)) for rows in (0, 49, 50, 51)]
    assert [each is None for each in found] == [True, True, False, False]


@pytest.mark.parametrize("kind", [kind for kind in NEEDS_HISTORY if kind in SHARE_KINDS])
def test_usual_cycles_of_few_rows_say_nothing_of_rows(kind: MeasureKind) -> None:
    for small, is_none in ((49, True), (50, False)):
        usual = [profile_of(60), profile_of(60), profile_of(small)]
        assert (value(kind, profile_of(60), usual, Enough(50, 3)) is None) == is_none


@pytest.mark.parametrize("kind", [kind for kind in NEEDS_HISTORY if kind.endswith(("drift", "distinct_ratio"))])
def test_cycles_that_say_nothing_of_a_column_do_not_count_as_history(kind: MeasureKind) -> None:
    """As after a contract whose new column came once, or an optional one that was filled once."""
    silent = profile_of(60, missing={}, distinct={}, codes={COLUMN: {}})
    assert value(kind, profile_of(60), [profile_of(60), silent, silent], Enough(50, 3)) is None


def test_few_rows_where_there_usually_are_enough_are_told() -> None:
    """The one measure that few rows, even none at all, must not silence."""
    usual = [profile_of(rows) for rows in (10, 50, 90)]
    kind = MeasureKind.ROW_COUNT_RATIO
    assert [value(kind, profile_of(rows), usual, Enough(50, 3)) for rows in (0, 5, 100)] == [0, 0.1, 2]
    assert value(kind, profile_of(100), usual, Enough(51, 3)) is None, "usually there are too few"


def test_the_orphans_and_the_age_want_no_history() -> None:
    assert value(MeasureKind.ORPHAN_SHARE, profile_of(100), [], Enough(50, 3)) == pytest.approx(1 / 90, abs=1e-6)
    assert value(MeasureKind.AGE_SHARE, profile_of(100), [], Enough(50, 3)) == pytest.approx(1 / 24, abs=1e-6)


@pytest.mark.parametrize(
    ("now", "usual", "expected"),
    [({"1": 60}, [{"1": 9}] * 3, 0), ({"1": 60}, [{"2": 9}] * 3, 1), ({"1": 30, "2": 30}, [{"1": 9}] * 3, 0.5),
     ({"1": 60}, [{"1": 9}, {"1": 9}, {"2": 1}, {"2": 1}], 0.5), ({"1": 45, "9": 15}, [{"1": 3, "2": 1}] * 3, 0.25),
     ({}, [{"1": 9}] * 3, None)],
)  # fmt: skip
def test_the_distance_of_codes_is_the_share_that_would_have_to_be_others(
    now: dict[str, int], usual: list[dict[str, int]], expected: float | None
) -> None:
    past = [profile_of(60, codes={COLUMN: each}) for each in usual]
    kind = MeasureKind.DISTRIBUTION_DRIFT
    assert value(kind, profile_of(60, codes={COLUMN: now}), past, Enough(50, 3)) == expected


def test_an_event_after_the_end_is_no_age_below_zero() -> None:
    late = profile_of(100, newest_at="2026-11-23T00:00:01")
    assert value(MeasureKind.AGE_SHARE, late, [], Enough(50, 3)) == 0


@pytest.mark.parametrize(
    ("month", "newest", "expected"),
    [("202402", "2024-02-01T00:00:00", 1), ("202402", "2024-02-15T12:00:00", 0.5),
     ("202302", "2023-02-15T00:00:00", 0.5), ("202612", "2026-12-31T00:00:00", 1 / 31)],
)  # fmt: skip
def test_age_is_a_share_of_the_length_of_the_month_itself(month: str, newest: str, expected: float) -> None:
    wanted, cycle = Measure("x", MeasureKind.AGE_SHARE, COLUMN), cycle_of(Cadence.MONTHLY, month)
    found = measure(wanted, cycle, profile_of(60, newest_at=newest), [], Enough(1, 1))
    assert found == pytest.approx(expected, abs=1e-6)


def test_sums_beyond_64_bits_are_compared() -> None:
    huge = 10**18 * 10**6
    usual = [profile_of(100, total=huge)] * 3
    assert value(MeasureKind.SUM_RATIO, profile_of(100, total=huge // 3), usual, Enough(50, 3)) == 0.333333


@pytest.mark.parametrize("kind", [MeasureKind.SUM_RATIO, MeasureKind.DISTINCT_RATIO])
def test_nothing_is_compared_with_nothing(kind: MeasureKind) -> None:
    usual = [profile_of(100, total=0, distinct={COLUMN: 0})] * 3
    assert value(kind, profile_of(100), usual, Enough(50, 3)) is None
