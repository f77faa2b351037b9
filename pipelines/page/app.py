"""The page's addresses. It looks; what an operator decides it asks of the DAG operate_batches, through Airflow's API.

So what a button does is run by a worker, in the pool of the warehouse's writer, and whether somebody may press it is
decided where Airflow decides who may trigger that DAG. Whoever serves it says who may look (`look`, a dependency that
raises for all others) and whether they may act (`may_act`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import jinja2
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from pipelines.checks.staging import RejectLines
from pipelines.cli.context import open_site
from pipelines.codes import CODES
from pipelines.config import FILE_NAME
from pipelines.cycles import parse_day
from pipelines.errors import StoreError, TierlineError, UsageError
from pipelines.ledger.alarms import TO_DO, open_alarms
from pipelines.ledger.offerings import STANDING, Offering, State
from pipelines.life import DISCARDABLE, LIMIT
from pipelines.names import CycleKey
from pipelines.operating import Action, offerings_of
from pipelines.page import PREFIX
from pipelines.page.board import cycle_story, is_cycle, list_batches, make_board
from pipelines.rejects import has_rejects, kept_rejects
from pipelines.site import Site
from pipelines.story import RejectedRow, batch_story, rejected_rows, rejecting

Page = Annotated[int, Query(ge=1, le=1_000_000)]  # databases count no further than 64 bits go
_SIZE = 50  # rows of a page
_REJECTS = 100  # rejected rows that are shown; the file has all
_HERE = Path(__file__).parent
# No address but ours may show, script or style it; Airflow's own page holds it in a frame.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class _Sites:
    """The site of the home, opened anew when its configuration changes; ledgers are safe for several threads."""

    def __init__(self, home: Path) -> None:
        self._home, self._lock = home, Lock()
        self._site: Site | None = None
        self._read_at = 0

    def get(self) -> Site:
        path = self._home / FILE_NAME
        changed_at = path.stat().st_mtime_ns if path.exists() else 0
        with self._lock:
            if self._site is None or changed_at != self._read_at:
                if self._site is not None:
                    self._site.close()
                self._site, self._read_at = open_site(self._home, actor="the page"), changed_at
            return self._site


_routes = APIRouter()
_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)


def page_app(home: Path, look: Callable[..., Any], may_act: Callable[[Any], bool]) -> FastAPI:
    """The application for a home."""
    logged_in = Depends(look)

    def enter(request: Request, user: Any = logged_in) -> None:
        request.state.user = user

    # For every address at once: one that is added cannot be left open by mistake.
    everywhere = [Depends(enter)]
    app = FastAPI(
        title="Tierline: file batches", dependencies=everywhere, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.state.sites, app.state.may_act = _Sites(home), may_act
    app.add_exception_handler(TierlineError, _say)
    app.include_router(_routes)
    return app


@_routes.get("/page.css")
def css() -> Response:
    """How it looks."""
    return Response((_HERE / "page.css").read_text(encoding="utf-8"), media_type="text/css")


@_routes.get("/page.js")
def script() -> Response:
    """What its buttons do."""
    return Response((_HERE / "page.js").read_text(encoding="utf-8"), media_type="text/javascript")


@_routes.get("/")
def board(request: Request, day: str = "") -> HTMLResponse:
    """Feed × source × cycle up to a day."""
    site = _site(request)
    chosen = parse_day(day) if day else site.now.date()
    with site.ledger.reading() as connection:
        alarm_count = len(open_alarms(connection))
    return _shown(request, "board.html.j2", day=chosen, tables=make_board(site, chosen), alarm_count=alarm_count)


@_routes.get("/alarms")
def alarms(request: Request, page: Page = 1) -> HTMLResponse:
    """What is not as it must be, newest first."""
    with _site(request).ledger.reading() as connection:
        found = open_alarms(connection)[::-1]
    here = found[(page - 1) * _SIZE : page * _SIZE]
    return _shown(request, "alarms.html.j2", alarms=here, total=len(found), page=page, size=_SIZE, to_do=TO_DO)


@_routes.get("/cycle/{feed}/{source}/{mode}/{cycle}")
def one_cycle(request: Request, feed: str, source: str, mode: str, cycle: str) -> HTMLResponse:
    """A cycle: what it lacks, and its batches."""
    site, key = _site(request), CycleKey(feed, source, mode, cycle)
    if not is_cycle(site, key):
        raise HTTPException(404, f"no feed of this home has a cycle {key}")
    status, found = cycle_story(site, key)
    return _shown(request, "cycle.html.j2", key=key, status=status, batches=found, codes=CODES)


@_routes.get("/batches")
def batches(
    request: Request,
    state: str = "",
    feed: str = "",
    source: str = "",
    cycle: str = "",
    text: str = "",
    page: Page = 1,
) -> HTMLResponse:
    """The ledger, newest first, a page at a time."""
    site, states = _site(request), [each.value for each in State]
    if state and state not in states:
        raise HTTPException(404, f"state {state}: expected one of {', '.join(states)}")
    wanted = State(state) if state else None
    found, total = list_batches(site, wanted, feed, source, cycle, text.strip(), page, _SIZE)
    asked = {"state": state, "feed": feed, "source": source, "cycle": cycle, "text": text}
    return _shown(
        request, "batches.html.j2", batches=found, total=total, page=page, size=_SIZE, asked=asked,
        states=states, feeds=site.contracts.feed_names, sources=list(site.config.sources),
    )  # fmt: skip


@_routes.get("/batch/{stem}")
def batch(request: Request, stem: str) -> HTMLResponse:
    """The story of a batch, its rejected rows masked, and what may be done."""
    site = _site(request)
    offered = offerings_of(site, stem)
    rejects, lost = _rejects(site, rejecting(offered))
    return _shown(
        request, "batch.html.j2", stem=stem, batch=offered[-1], story=batch_story(site, stem), codes=CODES,
        rejects=rejects, rejected=rejecting(offered).rejected, lost=lost, actions=[_actions(each) for each in offered],
        may_act=_may_act(request),
    )  # fmt: skip


@_routes.get("/batch/{stem}/rejects")
def reject_file(request: Request, stem: str) -> StreamingResponse:
    """The reject file, byte for byte: personal data as it came, so only for those who may act."""
    if not _may_act(request):
        raise HTTPException(403, "the reject file holds personal data: only operators get it")
    site = _site(request)
    current = rejecting(offerings_of(site, stem))
    if not has_rejects(site, current):
        raise UsageError(f"batch {stem}: no rejected rows ({current.state})")
    lines: Iterator[bytes] = iter(RejectLines(kept_rejects(site, current)))
    headers = _HEADERS | {"Content-Disposition": f'attachment; filename="{current.stem}.REJ"'}
    return StreamingResponse(lines, media_type="application/octet-stream", headers=headers)


def _rejects(site: Site, current: Offering) -> tuple[list[RejectedRow], str]:
    """The first rejected rows of an offering, masked, and why there are none where they are lost."""
    try:
        rows = rejected_rows(site, current, masked=True, most=_REJECTS) if has_rejects(site, current) else ()
        return list(rows), ""
    except StoreError as error:
        return [], str(error)


def _say(request: Request, error: Exception) -> HTMLResponse:
    """What is wrong, in words: not known (404), or configuration or ledger cannot be read (503)."""
    page = _templates.get_template("error.html.j2").render(message=str(error), root=_root(request))
    return HTMLResponse(page, 404 if isinstance(error, UsageError) else 503, headers=_HEADERS)


def _shown(request: Request, name: str, **values: Any) -> HTMLResponse:
    root = _root(request)
    values |= {"root": root, "api": f"{root.removesuffix(PREFIX)}/api/v2"}
    return HTMLResponse(_templates.get_template(name).render(values), headers=_HEADERS)


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


def _site(request: Request) -> Site:
    site: Site = request.app.state.sites.get()
    return site


def _may_act(request: Request) -> bool:
    return bool(request.app.state.may_act(request.state.user))


def _actions(current: Offering) -> list[str]:
    """What may be asked of one offering."""
    found = [Action.RETRY.value] if current.state is State.REFUSED else []
    found += [Action.ACCEPT.value] if current.state is State.REFUSED and current.code == LIMIT else []
    found += [Action.DISCARD.value] if current.state in DISCARDABLE else []
    return [*found, "replay"] if current.state in STANDING else found
