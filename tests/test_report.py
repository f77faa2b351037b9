"""The report of a publication says what the marts say, in two languages, of counts only, and stands with its state."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import report_expected as of_marts
from mart_world import SOURCES
from report_expected import TITLES
from report_page import ReportPage, in_browser
from report_states import CHINESE, ENGLISH, Published, two_publications

from pipelines.ledger.publications import ListRecord
from pipelines.reporting.charts import line
from pipelines.reporting.report import write_report

MOVED = {"movement_matrix", "movement_source"}
LISTS = (ListRecord("KPIM_000_F_202602_0001_00", 7_654_321, ""),)


@pytest.fixture(scope="module")
def publications(tmp_path_factory: pytest.TempPathFactory) -> tuple[Published, Published]:
    return two_publications(tmp_path_factory.mktemp("report"))


@pytest.fixture
def first(publications: tuple[Published, Published]) -> Published:
    return publications[0]


@pytest.fixture
def last(publications: tuple[Published, Published]) -> Published:
    return publications[1]


@pytest.mark.parametrize("table", of_marts.COUNTED)
def test_counts_and_shares_are_those_of_the_marts(last: Published, table: str) -> None:
    query, row, column = of_marts.COUNTED[table]
    expected, shown = of_marts.spread(last.rows(query), row, column), last.english.counts(table)
    for head, held_back in [(head, count) for (head, title), count in shown.items() if title == "Held back"]:
        assert held_back == expected[head, "Total"] - expected[head, "Called"]
    shown = {place: count for place, count in shown.items() if place[1] != "Held back"}
    assert {place: count for place, count in shown.items() if count} == {
        place: count for place, count in expected.items() if place in shown
    }
    inner = {place for place in expected if not {*place} & {"Total", "All"}}
    assert len(inner) > 3
    assert inner <= shown.keys()
    heads = [(last.english.cells(table), "Share", "All")]
    heads += [(last.english.cells("tier_share"), each, each) for each, _ in shown if table == "tier_table"]
    for cells, head, of in heads:
        shares = {title: cell for (row, title), cell in cells.items() if row == head and cell}
        assert shares == {title: f"{expected[of, title] / expected[of, 'Total']:.1%}" for title in shares}


def test_kpis_are_those_of_the_marts(last: Published) -> None:
    expected = of_marts.kpis(last)
    found = {
        (table, head, re.sub(".* ([0-9]{3}), .*", r"\1", column)): cell
        for table in ("kpi_month", "kpi_tier", "kpi_source")
        for (head, column), cell in last.english.cells(table).items()
        if cell != "–"
    }
    assert found == expected
    assert len(found) > 200


def test_kpis_of_feeds_are_those_of_the_marts(last: Published) -> None:
    head, *shown = last.english.tables["feed_table"]
    found = {
        ("ALL" if row[0] == "All" else row[0][-3:], row[1], name): (row[place], row[place + 1])
        for row in shown
        for place, name in enumerate(head)
        if name in TITLES["kpi"].values() and row[place] != "–"
    }
    assert found == of_marts.feeds(last)
    assert len({cell for cell, _ in found.values()}) >= 4
    assert len(found) > 15


def test_targets_are_met_or_missed_in_words(last: Published) -> None:
    head, *shown = last.english.tables["target_table"]
    assert head == ["Source", "Tier", "Result", "Value", "Target", "KPI", "Month"]
    found = Counter(("ALL" if row[0] == "All" else row[0][-3:], *row[1:5]) for row in shown)
    assert found == of_marts.targets(last)
    assert len({row[2] for row in shown}) == 2


def test_a_target_is_met_where_it_is_just_reached_and_of_churn_from_below(last: Published, tmp_path: Path) -> None:
    margin = "(case tier when 'ALL' then 0 when 'D' then 0.01 else -0.01 end)"
    target = f"case kpi when 'churn_rate' then value + {margin} when 'retention_rate' then value - {margin} end"
    _, *rows = last.changed(tmp_path, f"update mart.kpi set target = {target}").tables["target_table"]
    results, met, missed = {(row[1], row[2]) for row in rows}, ("All", "Diamond"), ("Gold", "Silver", "Standard")
    assert len(rows) > 40
    assert results == {(tier, "✓ met") for tier in met} | {(tier, "✗ missed") for tier in missed}


def test_who_is_not_in_the_last_month_of_all_is_named(last: Published, tmp_path: Path) -> None:
    said = r"In (\S+) all sources are those that have closed it: without (.*?)\."
    months = dict(last.rows("select source, bill_month from mart.bill_month where bill_month is not null"))
    behind = sorted(source for source, month in months.items() if month < max(months.values()))
    assert behind
    found = [(month, re.findall("[0-9]{3}", names)) for month, names in re.findall(said, last.english.text)]
    assert found == [("2026-02", behind)] * 2, "at the KPIs and at the targets"
    level = last.changed(
        tmp_path, "update mart.bill_month set bill_month = (select max(bill_month) from mart.bill_month)"
    )
    assert not re.findall(said, level.text)


def test_a_gap_between_months_is_a_gap_in_the_line() -> None:
    drawn = line("x", "title", "said", ["1", "2", "3", "4", "5"], [1, 2, None, 2, 1], str)
    assert drawn.count("nofill") == 2
    assert drawn.count("<circle") == 4


def test_what_is_seen_first(last: Published) -> None:
    cards = re.findall("<li><strong>(.*)</strong> (.*)</li>", last.english.source)
    assert [card for card, what in cards if "changes" not in what and "lists" not in what] == of_marts.cards(last)
    assert len(cards) == 6


def test_charts_have_a_point_a_month_and_say_what_they_are(last: Published) -> None:
    page, months = last.english, last.english.cells("kpi_month")
    tiers = {f"customer_base-{tier}": title for tier, title in TITLES["tier"].items() if tier != "ALL"}
    expected = {f"chart-{name}": title for name, title in tiers.items()}
    expected |= {f"chart-{kpi}-ALL": TITLES["kpi"][kpi] for kpi, in last.rows(
        "select distinct kpi from mart.kpi where source = 'ALL' and tier = 'ALL' and feed is null")}  # fmt: skip
    assert {name: chart[0] for name, chart in page.charts.items()} == expected
    for chart in page.charts.values():
        title, described, *points = chart
        assert re.search("[0-9-]+ .*; lowest .*, highest ", described)
        if title not in tiers.values():
            shown = [f"{month}: {cell}" for (kpi, month), cell in months.items() if kpi == title and cell != "–"]
            assert points == shown


def test_movements_are_what_two_states_differ_in(first: Published, last: Published) -> None:
    moved, turned = of_marts.movements(first, last)
    page = last.english
    shown = {place: count for place, count in page.counts("movement_matrix").items() if "Total" not in place}
    assert {place: count for place, count in shown.items() if count} == moved
    turns = {turn: count for (source, turn), count in page.counts("movement_source").items() if source == "All"}
    assert turns == turned
    assert min(turns.values()) > 0
    assert first.state.name in page.text
    assert {cell[:1] for cell in page.cells("movement_matrix").values()} >= {"▲", "▼"}


def test_sources_and_lists(last: Published) -> None:
    page = last.english
    subscribers = Counter(
        dict(last.rows("select source, count(*) from mart.subscriber_state where status <> '9' group by 1"))
    )
    months = dict(last.rows("from mart.bill_month select source, bill_month"))
    shown = page.cells("source_table")
    assert {source: shown[source, "Open subscribers"] for source in months} == {
        source: str(subscribers[source]) for source in months
    }
    assert {source: shown[source, "Last closed month"].replace("-", "") for source in months} == months
    files = (last.state.parent.parent.parent / "publish").rglob("*.DAT")
    lists = {path.stem: path.read_text().count("\n") - 2 for path in files if f"_{last.state.name[:8]}_" in path.name}
    listed = {row[3]: int(row[4].replace(",", "")) for row in page.tables["list_table"][1:]}
    assert {stem: rows for stem, rows in listed.items() if "_2026030" in stem} == lists
    assert {row[2] for row in page.tables["list_table"][1:]} == {"full", "changes"}
    assert len(lists) > 10
    unlisted = dict(last.rows("select source, count(*) from list.tier_number_conflict group by 1"))
    counts = {row[0][-3:]: int(row[1]) for row in page.tables["conflict_table"][1:]}
    assert counts == {source: unlisted.get(source, 0) for source in SOURCES} | {"All": sum(unlisted.values())}
    assert counts["All"] > 0


def test_both_languages_have_the_same_tables(last: Published) -> None:
    english, chinese = last.english, last.chinese
    assert english.charts.keys() == chinese.charts.keys()
    assert english.ids == chinese.ids
    seen = Counter[str]()
    for name, table in english.tables.items():
        other = chinese.tables[name]
        assert [len(row) for row in table] == [len(row) for row in other]
        for left, right in zip(table, other, strict=True):
            for ours, theirs in zip(left, right, strict=True):
                if ours != theirs:
                    assert re.search("[\u4e00-\u9fff]", theirs), (name, ours, theirs)
                    assert not re.search("[\u4e00-\u9fff]", ours)
                seen[name] += ours != theirs
    assert len(seen) > 15
    assert min(seen.values()) > 0


@pytest.mark.fault(23)
@pytest.mark.parametrize("name", [ENGLISH, CHINESE])
def test_nothing_personal_and_nothing_from_elsewhere(last: Published, name: str) -> None:
    page = ReportPage(last.state / name)
    assert len(page.ids) == len(set(page.ids))
    assert set(page.references) <= {f"#{each}" for each in page.ids} | {ENGLISH, CHINESE}
    assert len(page.references) > 10
    assert set(re.findall(r"[a-z]+://[^\"' >]*", page.source)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"url\(|@import|<script|<link|<!--", page.source)
    assert [found for found in re.findall("[0-9]{7,}", page.source) if not found.startswith("20260")] == []
    people = last.rows("select user_id from core.subscriber union all select customer_id from core.customer")
    assert len(people) > 100
    assert not {person for (person,) in people if person in page.source}


def test_it_stands_with_its_state_and_is_left_as_it_was_by_the_next(first: Published, last: Published) -> None:
    bi = last.state.parent.parent
    for name in (ENGLISH, CHINESE):
        assert (first.state / name).read_bytes() == first.at_hand[name] != last.at_hand[name]
        assert (bi / name).resolve() == last.state / name
    assert ReportPage(first.state / ENGLISH).tables.keys() == last.english.tables.keys() - MOVED
    assert "There is no former publication" in first.english.text


def test_a_file_that_another_state_has_too_is_not_written_to(first: Published, last: Published, tmp_path: Path) -> None:
    (tmp_path / ENGLISH).write_text("of another state")
    os.link(tmp_path / ENGLISH, tmp_path / "linked")
    with last.open() as connection:
        write_report(connection, tmp_path, last.state.name, LISTS, first.state)
        assert ("former",) not in connection.execute("select database_name from duckdb_databases()").fetchall()
    assert (tmp_path / "linked").read_text() == "of another state"
    page = ReportPage(tmp_path / ENGLISH)
    assert page.tables["movement_matrix"] == last.english.tables["movement_matrix"]
    assert page.tables["list_table"][1][1:] == ["All", "full", LISTS[0].stem, "7,654,321"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["linked", ENGLISH, CHINESE]


def test_a_former_state_that_does_not_open_is_said_and_hinders_nothing(
    last: Published, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    former = tmp_path / "states" / "20260301-000001"
    former.mkdir(parents=True)
    (former / "current.duckdb").write_bytes(b"garbage" * 1000)
    with last.open() as connection:
        write_report(connection, tmp_path, last.state.name, LISTS, former)
    page = ReportPage(tmp_path / ENGLISH)
    assert page.tables.keys() == last.english.tables.keys() - MOVED
    assert "or it cannot be read" in page.text
    assert str(former) in caplog.text


def test_a_young_warehouse_has_a_report(last: Published, tmp_path: Path) -> None:
    """Of sources that sent nothing yet there is nothing to count, no closed month and no KPI."""
    marts = last.rows("select table_name from duckdb_tables() where schema_name = 'mart'")
    page = last.changed(tmp_path, ";".join(f"delete from mart.{name}" for (name,) in marts))
    assert page.tables["tier_table"][-2:] == [["All", *"00000"], ["Share", *["0.0%"] * 4, ""]]
    assert {page.cells("source_table")[source, "Last closed month"] for source in SOURCES} == {"–"}
    assert page.charts == {}
    assert {"targets", "feeds", "movements"} <= set(page.ids)


def test_a_browser_without_network_shows_it_on_a_phone_and_on_a_desk(last: Published, tmp_path: Path) -> None:
    for name in (ENGLISH, CHINESE):
        shutil.copy(last.state / name, tmp_path)
    found = in_browser(tmp_path, [ENGLISH, CHINESE], [390, 1280])
    assert [each["name"] for each in found] == [
        f"{name} {width}" for name in (ENGLISH, CHINESE) for width in (390, 1280)
    ]
    for each in found:
        assert each["width"] == int(each["name"].split()[1]), "the page itself does not scroll to the side"
        assert each["charts"] == len(last.english.charts)
        assert (each["hidden"], each["fetched"]) == (0, 0)
        assert each["text"] > 3000
