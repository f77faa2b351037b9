"""mart → published: `report.html` and `report.zh.html`, which stand in the state that they tell of."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import duckdb
import jinja2

from pipelines.ledger.publications import ListRecord
from pipelines.reporting.figures import Figures, read_figures
from pipelines.reporting.page import Page
from pipelines.reporting.sections import cards, sections
from pipelines.reporting.words import LANGUAGES

NAMES = dict(zip(LANGUAGES, ("report.html", "report.zh.html"), strict=True))
_HERE = Path(__file__).parent


def write_report(
    warehouse: duckdb.DuckDBPyConnection,
    directory: Path,
    publication_id: str,
    lists: Iterable[ListRecord],
    former: Path,
) -> None:
    """Write the report of a publication into the directory of its state, in every language.

    `former` is the directory of the state before it; where there is none the report compares with nothing. The pages
    need no network and hold counts only. The same marts and lists give the same pages.
    """
    figures = read_figures(warehouse, publication_id, lists, former)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    template = environment.get_template("report.html.j2")
    for language, name in NAMES.items():
        _write(directory / name, _render(template, figures, language))


def _render(template: jinja2.Template, figures: Figures, language: str) -> str:
    page = Page(figures, language)
    (other,) = set(LANGUAGES) - {language}
    return template.render(
        page=page,
        language=language,
        other=other,
        other_name=NAMES[other],
        cards=list(cards(page)),
        sections=sections(page),
    )


def _write(path: Path, text: str) -> None:
    """A new file under the name: what stands there may be that of the state at hand too."""
    part = path.with_name(f".{path.name}.tmp")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
