"""A feed's suite on the profile of what was loaded: Great Expectations judges, a finding for each row and expectation.

DuckDB has aggregated before; what comes here are some hundred rows of measures at most, and no personal data.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from pipelines.contracts.model import Severity as Severity
from pipelines.errors import StoreError
from pipelines.quality.loading import load_great_expectations
from pipelines.quality.pages import Run, render_page

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )

KEY = ["source", "cycle"]

# Complete: every row that fails, by its key. A page shows at most so many different values of an expectation.
RESULT_FORMAT: dict[str, Any] = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": KEY,
    "return_unexpected_index_query": False,
    "partial_unexpected_count": 20,
}


# Great Expectations' words for them.
GX_SEVERITY = {Severity.WARN: "warning", Severity.FAIL: "critical"}


@dataclass(frozen=True)
class Expected:
    """One expectation of a suite: a measure of the profile lies between two bounds, both included.

    `least` or `most` None: open on that side; ValueError if both are. The description is the contract's, for people.
    """

    measure: str
    least: float | None
    most: float | None
    severity: Severity
    description: str

    def __post_init__(self) -> None:
        if self.least is None and self.most is None:
            raise ValueError(f"expectation on {self.measure}: expected a least or a most value, found neither")

    @property
    def bounds(self) -> str:
        """The bounds for people, such as 'at least 0.95' or '0.5 to 2'."""
        if self.least is None:
            return f"at most {self.most:.12g}"
        return f"at least {self.least:.12g}" if self.most is None else f"{self.least:.12g} to {self.most:.12g}"


@dataclass(frozen=True)
class Finding:
    """What one expectation found. Grain: expectation, source, cycle.

    `observed` None: the measure has no value (no history yet, say), which is a success.
    """

    source: str
    cycle: str
    expected: Expected
    observed: float | None
    success: bool


@dataclass(frozen=True)
class Validation:
    """A feed's suite, run once: all findings, and the Data Docs page of it as HTML (see `pages.write_page`)."""

    run: Run
    findings: tuple[Finding, ...]
    page: str


def validate(
    feed: str, title: str, run_name: str, run_at: datetime, suite: Sequence[Expected], profile: pl.DataFrame
) -> Validation:
    """Judge a profile by a feed's suite and make its page; `run_at` means Asia/Shanghai.

    The profile has one row for each source and cycle, and a numeric column for each measure; null and NaN are no value.
    Findings come in the order of suite and profile. Raises ValueError for a profile that is not of this shape,
    StoreError when Great Expectations cannot judge it.
    """
    _check_shape(feed, suite, profile)
    judged = _judged(suite, profile)
    load_great_expectations()
    result = _run(feed, suite, judged)
    failures = {_place(each): _failed_rows(feed, each) for each in result.results}
    findings = tuple(_findings(suite, judged, failures))
    failed = [suite[place].severity for place, rows in failures.items() if rows]
    run = Run(feed, title, run_name, run_at, len(suite), failed.count(Severity.WARN), failed.count(Severity.FAIL))
    cycles = ", ".join(f"{source} {cycle}" for source, cycle in judged.select(KEY).iter_rows())
    return Validation(run, findings, render_page(run, result, cycles))


def _check_shape(feed: str, suite: Sequence[Expected], profile: pl.DataFrame) -> None:
    missing = {*KEY, *(each.measure for each in suite)} - set(profile.columns)
    if missing:
        raise ValueError(f"{feed}: expected columns {', '.join(sorted(missing))} in the profile, found none")
    again = profile.filter(pl.struct(KEY).is_duplicated())
    if not again.is_empty():
        source, cycle = again.select(KEY).row(0)
        raise ValueError(f"{feed}: expected one row a source and cycle in the profile, found more of {source} {cycle}")


def _judged(suite: Sequence[Expected], profile: pl.DataFrame) -> pl.DataFrame:
    """The profile's key and the measures in use: all that Great Expectations ever sees."""
    measures = list(dict.fromkeys(each.measure for each in suite))
    return profile.select(pl.col(KEY).cast(pl.String), pl.col(measures).cast(pl.Float64).fill_nan(None))


def _run(feed: str, suite: Sequence[Expected], profile: pl.DataFrame) -> ExpectationSuiteValidationResult:
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    # Nothing of it is written: the default makes a folder for pages of its own.
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(), progress_bars=ProgressBarsConfig(globally=False)
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    batch = (
        context.data_sources.add_pandas("warehouse")
        .add_dataframe_asset(feed)
        .add_batch_definition_whole_dataframe("profile")
        .get_batch(batch_parameters={"dataframe": profile.to_pandas()})
    )
    return batch.validate(_gx_suite(feed, suite), result_format=RESULT_FORMAT)


def _gx_suite(feed: str, suite: Sequence[Expected]) -> ExpectationSuite:
    """The suite in Great Expectations' form; `place` leads back to ours."""
    import great_expectations as gx
    from great_expectations.expectations.core.expect_column_values_to_be_between import ExpectColumnValuesToBeBetween
    from great_expectations.expectations.metadata_types import FailureSeverity

    return gx.ExpectationSuite(
        name=feed,
        expectations=[
            ExpectColumnValuesToBeBetween(
                column=each.measure,
                min_value=each.least,
                max_value=each.most,
                severity=FailureSeverity(GX_SEVERITY[each.severity]),
                # It takes the place of a sentence of Great Expectations', and goes into the page as it is.
                description=html.escape(f"{each.description} (expected {each.bounds}, else {each.severity})"),
                meta={"place": place},
            )
            for place, each in enumerate(suite)
        ],
    )


def _place(result: ExpectationValidationResult) -> int:
    assert result.expectation_config is not None, "Great Expectations says what it judged"
    return int(result.expectation_config.meta["place"])


def _failed_rows(feed: str, result: ExpectationValidationResult) -> set[tuple[str, str]]:
    """Source and cycle of the rows that one expectation found wrong."""
    rows = {(row["source"], row["cycle"]) for row in result.result.get("unexpected_index_list") or ()}
    if result.success == bool(rows):
        assert result.expectation_config is not None
        raise StoreError(
            f"{feed}: Great Expectations could not judge {result.expectation_config.kwargs['column']}; "
            f"expected rows that pass or fail, found {result.exception_info}"
        )
    return rows


def _findings(
    suite: Sequence[Expected], profile: pl.DataFrame, failures: dict[int, set[tuple[str, str]]]
) -> Iterator[Finding]:
    for place, expected in enumerate(suite):
        for source, cycle, observed in profile.select(*KEY, expected.measure).iter_rows():
            yield Finding(source, cycle, expected, observed, (source, cycle) not in failures[place])
