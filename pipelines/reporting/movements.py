"""Who rose, fell, came and went since the last publication, as counts."""

from __future__ import annotations

from pipelines.reporting.figures import Row
from pipelines.reporting.page import Page
from pipelines.reporting.tables import ALL, Cell, Counts, Section, Table, number, text
from pipelines.reporting.words import count

NEW, GONE, RISEN, FALLEN, UNCHANGED = "new", "gone", "risen", "fallen", "unchanged"
_SIGNS = {RISEN: "▲ ", FALLEN: "▼ "}


def movements(page: Page) -> Section:
    former = page.figures.former
    if not former:
        return page.section("movements", note=page.say("movement_none"))
    note = page.say("movement_note", publication_id=former["publication_id"], as_of=former["as_of_date"])
    return page.section("movements", [_matrix(page), _by_source(page)], note)


def turns(page: Page) -> Counts:
    """Subscribers by source and by what became of their tier."""
    rows = [row | {"turn": _turn(page, *_ends(row))} for row in page.figures.movement]
    return Counts(rows, "source", "turn", "subscriber_count")


def _ends(row: Row) -> tuple[str, str]:
    return row["former_tier"] or NEW, row["tier"] or GONE


def _turn(page: Page, before: str, now: str) -> str:
    """Tiers stand best first, so a smaller place is a rise."""
    if before == NEW or now == GONE:
        return NEW if before == NEW else GONE
    was, is_now = page.tiers.index(before), page.tiers.index(now)
    return UNCHANGED if was == is_now else RISEN if is_now < was else FALLEN


def _matrix(page: Page) -> Table:
    rows = [dict(zip(("from", "to"), _ends(row), strict=True)) | row for row in page.figures.movement]
    counts = Counts(rows, "from", "to", "subscriber_count")
    titles = {tier: page.title("tier", tier) for tier in page.tiers} | {NEW: page.say(NEW), GONE: page.say(GONE)}
    to = (*page.tiers, GONE)
    shown = [
        [text(titles[before]), *(_move(page, counts, before, now) for now in to), number(counts[before, ALL])]
        for before in (*page.tiers, NEW)
    ]
    total = [text(page.say("total"), "total"), *counts.cells(ALL, (*to, ALL))]
    head = [page.say("from_to"), *(titles[now] for now in to), page.say("total")]
    return page.table("movement_matrix", head, [*shown, total])


def _move(page: Page, counts: Counts, before: str, now: str) -> Cell:
    if (before, now) == (NEW, GONE):
        return Cell("")
    value, turn = counts[before, now], _turn(page, before, now)
    return Cell(_SIGNS.get(turn, "") + count(value), tone=turn) if value else number(0)


def _by_source(page: Page) -> Table:
    columns = (RISEN, FALLEN, NEW, GONE, UNCHANGED)
    counts = turns(page)
    head = [page.say("source"), *(page.say(turn) for turn in columns)]
    rows = [[page.source(source), *counts.cells(source, columns)] for source in (*page.sources, ALL)]
    return page.table("movement_source", head, rows)
