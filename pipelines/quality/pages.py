"""Data Docs that show without a network: Great Expectations' own blocks and views in a page frame of ours.

Its own frame loads styles, fonts and scripts from afar, and its index is drawn by a script. So the frame is
`run_page.j2` with `style.css` written into it, and the index is a plain table of the same blocks. A page holds what the
index says of it, so that the index is made from the pages that are there and nothing else has to be kept.
"""

from __future__ import annotations

import html
import json
import os
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.clock import SHANGHAI, compact
from pipelines.durable import replace_durably
from pipelines.quality.loading import load_great_expectations
from pipelines.rights import make_shared, share

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
    from great_expectations.render.components import RenderedDocumentContent, RenderedStringTemplateContent

HERE = Path(__file__).parent
INDEX = "index.html"
RUN_TAG = re.compile(r'<meta name="run" content="([^"]*)">')
# Where the tag stands at the latest: the frame puts it before all else, and a title is short.
HEAD_BYTES = 4096


@dataclass(frozen=True)
class Run:
    """What the index says of a run. Grain: feed and run. `warned` and `failed` count expectations, not rows."""

    feed: str
    title: str
    run_name: str
    run_at: datetime
    checked: int
    warned: int
    failed: int

    @property
    def page_name(self) -> str:
        """The name of its page, which sorts by time; ValueError where it would not be a plain file name."""
        name = f"{compact(self.run_at)}_{self.feed}_{self.run_name}.html"
        if not re.fullmatch(r"[0-9A-Za-z_.-]+", name):
            raise ValueError(f"run {self.run_name!r}: expected letters, digits, '_', '.' and '-' only")
        return name


def write_page(folder: Path, run: Run, page: str) -> Path:
    """Write a run's page into a folder, over a former one of the same run; whole or not at all."""
    return _write(folder / run.page_name, page)


def prune_pages(folder: Path, feed: str, before: datetime) -> None:
    """Delete the pages of a feed's runs before a moment (Asia/Shanghai); what was found stays in the ledger."""
    for path in folder.glob(f"*_{feed}_*.html"):
        if path.name < compact(before):
            path.unlink(missing_ok=True)


def write_index(folder: Path, newest: int = 500) -> Path:
    """Write `index.html`: the newest runs of which the folder holds pages, newest first.

    Costs no more than its own page however many there are. Pages beyond `newest` stay, unlisted, until `prune_pages`.
    """
    load_great_expectations()
    from great_expectations.render.components import (
        RenderedDocumentContent,
        RenderedSectionContent,
        RenderedTableContent,
    )

    names = sorted((path.name for path in folder.glob("*_*.html")), reverse=True)[:newest]
    runs = [_read_run(folder / name) for name in names]
    table = RenderedTableContent(
        table=[_row(run) for run in runs if run is not None],
        header_row=["Run at", "Feed", "Run", "Expectations", "Result"],
        styling={"body": {"classes": ["table"]}},
    )
    title = "Quality of what was loaded"
    document = RenderedDocumentContent(
        renderer_type="SiteIndexPageRenderer",
        page_title=title,
        sections=[RenderedSectionContent(section_name=title, content_blocks=[table])],
    )
    return _write(folder / INDEX, _view().render(document, template="run_page.j2", heading=title))


def render_page(run: Run, result: ExpectationSuiteValidationResult, judged: str) -> str:
    """The page of one result, failed expectations first; `judged` says of which sources and cycles it is."""
    from great_expectations import RunIdentifier
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    result.meta = {
        "great_expectations_version": result.meta["great_expectations_version"],
        "run_id": RunIdentifier(run.run_name, run.run_at.replace(tzinfo=SHANGHAI).astimezone(UTC)),
        "batch_spec": {"data_asset_name": run.title, "judged": judged},
    }
    document = ValidationResultsPageRenderer(run_info_at_end=True).render(result)
    _point_home(document)
    _failed_first(document, result)
    tag = json.dumps(asdict(run), default=datetime.isoformat, ensure_ascii=False)
    return str(_view().render(document, template="run_page.j2", heading=f"{run.feed} {run.title}", run=tag))


def _point_home(document: RenderedDocumentContent) -> None:
    """The overview links to a page of the suite, which we have not: the suite is the feed's contract."""
    styling = document.sections[0].content_blocks[0].subheader.string_template["styling"]
    styling["params"]["expectation_suite_name"]["attributes"]["href"] = INDEX


def _failed_first(document: RenderedDocumentContent, result: ExpectationSuiteValidationResult) -> None:
    """Sections come by the measure's name; people look for what failed. First stays the overview, last the run."""
    configs = [each.expectation_config for each in result.results if not each.success]
    failed = {config.kwargs["column"] for config in configs if config is not None}
    overview, *measures, info = document.sections
    document.sections = [overview, *sorted(measures, key=lambda each: each.section_name not in failed), info]


@cache
def _view() -> Any:
    from great_expectations.render.view.view import DefaultJinjaPageView

    return DefaultJinjaPageView(custom_views_directory=str(HERE), custom_styles_directory=str(HERE))


def _read_run(path: Path) -> Run | None:
    """What a page says of its run; None for a file that is no page of ours, or gone since the folder was listed."""
    try:
        with path.open("rb") as file:
            found = RUN_TAG.search(file.read(HEAD_BYTES).decode(errors="replace"))
    except FileNotFoundError:
        return None
    if found is None:
        return None
    values = json.loads(html.unescape(found[1]))
    return Run(**values | {"run_at": datetime.fromisoformat(values["run_at"])})


def _row(run: Run) -> list[Any]:
    """A run in the index; plain cells go into the page as they are, so they are escaped here."""
    link = _text(f"{run.run_at:%Y-%m-%d %H:%M:%S}", "a", {"attributes": {"href": run.page_name}})
    cells = [html.escape(each) for each in (f"{run.feed} {run.title}", run.run_name, str(run.checked))]
    return [link, *cells, _text(*_verdict(run))]


def _verdict(run: Run) -> tuple[str, str, dict[str, Any]]:
    said = [f"{count} {word}" for count, word in ((run.failed, "failed"), (run.warned, "warned")) if count]
    colour = "danger" if run.failed else "warning" if run.warned else "success"
    return ", ".join(said) or "passed", "strong", {"classes": [f"text-{colour}"]}


def _text(text: str, tag: str, styling: dict[str, Any]) -> RenderedStringTemplateContent:
    from great_expectations.render.components import RenderedStringTemplateContent

    template = {"template": "$text", "params": {"text": text}, "tag": tag, "styling": styling}
    return RenderedStringTemplateContent(string_template=template)


def _write(path: Path, page: str) -> Path:
    make_shared(path.parent)
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    part.write_text(page, encoding="utf-8")
    share(part)
    replace_durably(part, path)
    return path
