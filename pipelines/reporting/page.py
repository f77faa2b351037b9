"""What the sections of a page share: the figures, the words of one language, and tables by source."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.reporting.figures import Figures, Row
from pipelines.reporting.tables import ALL, Cell, Chart, Counts, Section, Table, part, text
from pipelines.reporting.words import Pair, Words


class Page:
    """A page in one language; those of all languages have the same tables and charts."""

    def __init__(self, figures: Figures, language: str) -> None:
        self.figures, self.rows = figures, figures.rows
        self.words = Words(language, _own_titles(figures))
        self.say, self.title = self.words.say, self.words.title
        self.tiers, self.sources = self.words.codes("tier"), self.words.codes("source")

    def section(self, name: str, tables: Sequence[Table] = (), note: str = "", charts: Sequence[Chart] = ()) -> Section:
        return Section(name, self.say(name), note, tables, charts)

    def table(self, name: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table:
        return Table(name, self.say(name), head, rows)

    def source(self, source: str) -> Cell:
        """The source with its title: a code is known to who sends files, a province to the others."""
        title = self.say("all") if source == ALL else self.title("source", source)
        return text(title if source in (ALL, title) else f"{title} {source}", "total" if source == ALL else "")

    def by_source(self, name: str, query: str, kind: str, counted: str, *, column: str = "") -> Table:
        """Counts by source and code, with totals of both, and the share of each code in all."""
        codes = self.words.codes(kind)
        counts = Counts(self.rows[query], "source", column or kind, counted)
        head = [self.say("source"), *(self.title(kind, code) for code in codes), self.say("total")]
        rows = [[self.source(source), *counts.cells(source, (*codes, ALL))] for source in (*self.sources, ALL)]
        shares = [part(counts[ALL, code], counts[ALL, ALL]) for code in codes]
        return self.table(name, head, [*rows, [text(self.say("share")), *shares, Cell("")]])


def _own_titles(figures: Figures) -> dict[str, dict[str, Pair]]:
    """Titles of tiers and sources, which the installation's own code lists give."""
    return {
        kind: {row[kind]: (row["title_en"] or row[kind], row["title_zh"] or row[kind]) for row in rows}
        for kind, rows in (("tier", figures.rows["tier_title"]), ("source", figures.rows["source"]))
    }


def rows_by(rows: Sequence[Row], *keys: str) -> dict[tuple[str, ...], Row]:
    """The rows by the values of their key."""
    return {tuple(row[key] for key in keys): row for row in rows}
