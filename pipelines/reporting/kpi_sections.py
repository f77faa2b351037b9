"""KPIs of the last closed months against their targets, by tier and source, and over the months; those of feeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelines.reporting.charts import line
from pipelines.reporting.figures import Row
from pipelines.reporting.page import Page, rows_by
from pipelines.reporting.tables import ALL, Cell, Chart, Section, Table, number, text
from pipelines.reporting.words import ABSENT, CODES, kpi, month

_OF_FEEDS = ("feed_on_time_rate", "feed_first_pass_rate", "reject_rate")
_KPIS = tuple(name for name in CODES["kpi"] if name not in _OF_FEEDS)


def kpis(page: Page) -> Section:
    charts = [chart for name in _KPIS for chart in trend(page, name, ALL)]
    return page.section("kpis", [_by_month(page), _by_tier(page), _of_sources(page)], _noted(page, "kpi_note"), charts)


def _noted(page: Page, name: str, **values: object) -> str:
    """A note, and who is not in the last month of all sources yet: what they lack there looks like a fall."""
    months = {row["source"]: row["bill_month"] for row in page.rows["source"] if row["bill_month"] is not None}
    behind = [source for source, each in months.items() if each < max(months.values())]
    said = [page.say(name, **values)]
    if behind:
        last = month(max(months.values()))
        said.append(page.say("behind_note", month=last, sources=", ".join(page.source(each).text for each in behind)))
    return " ".join(said)


def against_targets(page: Page) -> Section:
    rows = targets(page)
    if not rows:
        return page.section("targets", note=page.say("target_none"))
    note = _noted(page, "target_note", met=sum(row["is_met"] for row in rows), total=len(rows))
    return page.section("targets", [_target_table(page, rows)], note)


def targets(page: Page) -> list[Row]:
    """KPIs of the last closed months that have a target, by KPI, source and tier."""
    found = [row for row in page.rows["kpi_last"] if row["target"] is not None and row["feed"] is None]
    return sorted(found, key=lambda row: (row["kpi"], row["source"] == ALL, row["source"], _place(page, row["tier"])))


def _place(page: Page, tier: str) -> int:
    return page.tiers.index(tier) if tier in page.tiers else len(page.tiers)


def _target_table(page: Page, rows: Sequence[Row]) -> Table:
    head = [page.say(name) for name in ("source", "tier", "result", "value_head", "target", "kpi", "month")]
    shown = [
        [
            page.source(row["source"]), text(_tier(page, row["tier"])), _result(page, row["is_met"]),
            Cell(kpi(row["kpi"], row["value"])), Cell(kpi(row["kpi"], row["target"])),
            text(page.title("kpi", row["kpi"])), Cell(month(row["month"])),
        ]
        for row in rows
    ]  # fmt: skip
    return page.table("target_table", head, shown)


def _result(page: Page, is_met: bool) -> Cell:
    """By word and sign too, for colour alone tells not everybody."""
    name = "met" if is_met else "missed"
    return text(page.say(name), tone=name)


def _tier(page: Page, tier: str) -> str:
    return page.say("all") if tier == ALL else page.title("tier", tier)


def _months(page: Page) -> list[str]:
    return sorted({row["month"] for row in page.rows["kpi_trend"]})


def _values(page: Page, name: str, tier: str) -> list[float | None]:
    by_month = rows_by([row for row in page.rows["kpi_trend"] if row["tier"] == tier], "kpi", "month")
    return [by_month[name, each]["value"] if (name, each) in by_month else None for each in _months(page)]


def trend(page: Page, name: str, tier: str) -> Iterator[Chart]:
    """The chart of a KPI over the months; none where no month has a value."""
    values = _values(page, name, tier)
    known = [(month(each), value) for each, value in zip(_months(page), values, strict=True) if value is not None]
    if not known:
        return
    title = page.title("kpi", name) if tier == ALL else page.title("tier", tier)
    described = page.say(
        "described",
        first_month=known[0][0],
        first=kpi(name, known[0][1]),
        last_month=known[-1][0],
        last=kpi(name, known[-1][1]),
        least=kpi(name, min(value for _, value in known)),
        most=kpi(name, max(value for _, value in known)),
    )
    months = [month(each) for each in _months(page)]
    svg = line(f"{name}-{tier}", title, described, months, values, lambda value: kpi(name, value))
    yield Chart(title, kpi(name, values[-1]), svg)


def _by_month(page: Page) -> Table:
    months = _months(page)
    head = [page.say("kpi"), *(month(each) for each in months)]
    rows = [
        [text(page.title("kpi", name)), *(Cell(kpi(name, value)) for value in _values(page, name, ALL))]
        for name in _KPIS
    ]
    return page.table("kpi_month", head, rows)


def _by_tier(page: Page) -> Table:
    columns = (*page.tiers, ALL)
    head = [page.say("kpi"), *(_tier(page, tier) for tier in columns)]
    return page.table("kpi_tier", head, _last(page, [(ALL, tier) for tier in columns]))


def _of_sources(page: Page) -> Table:
    months = {row["source"]: row["bill_month"] for row in page.rows["source"]}
    head = [page.say("kpi"), *(f"{page.source(source).text}, {month(months[source])}" for source in page.sources)]
    return page.table("kpi_source", head, _last(page, [(source, ALL) for source in page.sources]))


def _last(page: Page, columns: Sequence[tuple[str, str]]) -> list[list[Cell]]:
    """A row a KPI, a column a source and tier."""
    values = rows_by([row for row in page.rows["kpi_last"] if row["feed"] is None], "source", "tier", "kpi")
    return [
        [text(page.title("kpi", name)), *(_value(name, values.get((*column, name))) for column in columns)]
        for name in _KPIS
    ]


def _value(name: str, row: Row | None) -> Cell:
    return Cell(kpi(name, row["value"]) if row else ABSENT)


def feeds(page: Page) -> Section:
    values = rows_by([row for row in page.rows["kpi_last"] if row["feed"] is not None], "source", "feed", "kpi")
    places = sorted({key[:2] for key in values}, key=lambda place: (place[0] != ALL, place))
    if not places:
        return page.section("feeds", note=page.say("feed_none"))
    head = [page.say("source"), page.say("feed")]
    for name in _OF_FEEDS:
        head += [page.title("kpi", name), page.say(f"of_{name}")]
    rows = [
        [page.source(source), text(feed)]
        + [cell for name in _OF_FEEDS for cell in _rate(name, values.get((source, feed, name)))]
        for source, feed in places
    ]
    return page.section("feeds", [page.table("feed_table", head, rows)])


def _rate(name: str, row: Row | None) -> tuple[Cell, Cell]:
    """The rate, and of how many."""
    return (_value(name, row), number(row["denominator"]) if row else Cell(ABSENT))
