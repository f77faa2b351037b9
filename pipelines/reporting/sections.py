"""The sections of the report: sources, tiers, warnings, loyalty, value, calls and lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelines.lists import NATION
from pipelines.names import parse_stem
from pipelines.reporting.kpi_sections import against_targets, feeds, kpis, targets, trend
from pipelines.reporting.movements import FALLEN, RISEN, movements, turns
from pipelines.reporting.page import Page
from pipelines.reporting.tables import ALL, Cell, Counts, Section, Table, number, part, text
from pipelines.reporting.words import count, month


def cards(page: Page) -> Iterator[tuple[str, str]]:
    """What is seen first: a number, and of what."""
    yield count(sum(row["subscriber_count"] for row in page.rows["tier"])), page.say("card_tiers")
    if page.figures.former:
        moved = turns(page)
        risen, fallen = moved[ALL, RISEN], moved[ALL, FALLEN]
        yield count(risen + fallen), page.say("card_moves", risen=count(risen), fallen=count(fallen))
    warned = Counts(page.rows["warning"], "source", "level", "subscriber_count")
    yield count(warned[ALL, ALL]), page.say("card_warnings", high=count(warned[ALL, "HIGH"]))
    met = targets(page)
    if met:
        yield f"{sum(row['is_met'] for row in met)} / {len(met)}", page.say("card_targets")
    calls = Counts(page.rows["call"], "source", "cause", "call_count")
    called = calls[ALL, "CALLED"]
    yield count(called), page.say("card_calls", suppressed=count(calls[ALL, ALL] - called))
    rows = sum(each.records for each in page.figures.lists)
    yield count(len(page.figures.lists)), page.say("card_lists", rows=count(rows))


def sections(page: Page) -> tuple[Section, ...]:
    """All sections, what is asked for most often first."""
    made = (_tiers, movements, against_targets, kpis, _warnings, _loyalty, _value, _calls, feeds, _sources, _lists)
    return tuple(make(page) for make in made)


def _sources(page: Page) -> Section:
    head = [page.say(name) for name in ("source", "bill_month", "subscribers", "customers")]
    rows = [
        [page.source(row["source"]), Cell(month(row["bill_month"]))]
        + [number(row[name]) for name in ("subscriber_count", "customer_count")]
        for row in page.rows["source"]
    ]
    return page.section("sources", [page.table("source_table", head, rows)])


def _tiers(page: Page) -> Section:
    counts = Counts(page.rows["tier"], "source", "tier", "subscriber_count")
    head = [page.say("source"), *(page.title("tier", tier) for tier in page.tiers)]
    shares = [
        [page.source(source), *(part(counts[source, tier], counts[source, ALL]) for tier in page.tiers)]
        for source in (*page.sources, ALL)
    ]
    tables = [
        page.by_source("tier_table", "tier", "tier", "subscriber_count"), page.table("tier_share", head, shares)
    ]  # fmt: skip
    charts = [chart for tier in page.tiers for chart in trend(page, "customer_base", tier)]
    return page.section("tiers", tables, page.say("tier_note"), charts)


def _warnings(page: Page) -> Section:
    levels = page.words.codes("level")
    counts = Counts(page.rows["warning_rule"], "rule", "level", "subscriber_count")
    head = [page.say("rule"), *(page.title("level", level) for level in levels), page.say("total")]
    rows = [
        [text(f"{rule} {page.title('rule', rule)}"), *counts.cells(rule, (*levels, ALL))]
        for rule in page.words.codes("rule")
    ]
    by_level = page.by_source("warning_level", "warning", "level", "subscriber_count")
    return page.section("warnings", [by_level, page.table("warning_rule", head, rows)], page.say("rule_note"))


def _loyalty(page: Page) -> Section:
    return page.section("loyalty", [page.by_source("loyalty_table", "loyalty", "class", "customer_count")])


def _value(page: Page) -> Section:
    segments = page.by_source("segment_table", "segment", "segment", "customer_count")
    pareto = page.by_source("pareto_table", "segment", "pareto", "customer_count", column="pareto_class")
    return page.section("value", [segments, pareto])


def _calls(page: Page) -> Section:
    campaigns = [(code, text(page.title("campaign", code))) for code in page.words.codes("campaign")]
    sources = [(source, page.source(source)) for source in page.sources]
    return page.section("calls", [_call_table(page, "campaign", campaigns), _call_table(page, "source", sources)])


def _call_table(page: Page, by: str, rows: Sequence[tuple[str, Cell]]) -> Table:
    causes = page.words.codes("cause")
    counts = Counts(page.rows["call"], by, "cause", "call_count")
    head = [page.say(by), *(page.title("cause", cause) for cause in causes), page.say("suppressed")]
    shown = [
        [title, *counts.cells(code, causes), number(counts[code, ALL] - counts[code, "CALLED"])]
        for code, title in (*rows, (ALL, text(page.say("total"), "total")))
    ]
    return page.table(f"call_{by}", head, shown)


def _lists(page: Page) -> Section:
    rows = []
    for each in page.figures.lists:
        name = parse_stem(each.stem)
        assert name is not None, "we name our lists by the grammar"
        source = page.source(ALL if name.source == NATION else name.source)
        rows.append(
            [text(name.feed), source, text(page.say(f"mode_{name.mode}")), text(each.stem), number(each.records)]
        )
    head = [page.say(name) for name in ("list", "source", "list_mode", "file", "rows")]
    conflicts = {row["source"]: row["subscriber_count"] for row in page.rows["conflict"]}
    counts = [[page.source(source), number(conflicts.get(source, 0))] for source in page.sources]
    counts.append([page.source(ALL), number(sum(conflicts.values()))])
    unlisted = page.table("conflict_table", [page.say("source"), page.say("subscribers")], counts)
    return page.section("lists", [page.table("list_table", head, rows), unlisted])
