"""The page's addresses. It looks; what an operator decides it asks of the DAG operate_batches, through Airflow's API.

So what a button does is run by a worker, in the pool of the warehouse's writer, and whether somebody may press it is
decided where Airflow decides who may trigger that DAG. Whoever serves it says who may look (`look`, a dependency that
raises for all others) and whether they may act (`may_act`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import jinja2
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from pipelines.acknowledging import kept_rejects
from pipelines.checks.staging import RejectLines
from pipelines.cli.context import open_site
from pipelines.codes import CODES
from pipelines.config import FILE_NAME
from pipelines.errors import TierlineError, UsageError
from pipelines.ledger.alarms import TO_DO, open_alarms
from pipelines.ledger.offerings import STANDING, Offering, State
from pipelines.life import DISCARDABLE, LIMIT
from pipelines.names import CycleKey
from pipelines.operating import Action, offerings_of
from pipelines.page import PREFIX
from pipelines.page.board import cycle_story, is_cycle, list_batches, make_board
from pipelines.site import Site
from pipelines.story import batch_story, has_rejects, rejected_rows

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
                self._site, self._read_at = open_site(self._home, actor="the page"), changed_at
            return self._site


def page_app(home: Path, look: Callable[..., Any], may_act: Callable[[Any], bool]) -> FastAPI:
    """The application for a home."""
    app = FastAPI(title="Tierline: file batches", docs_url=None, redoc_url=None, openapi_url=None)
    sites = _Sites(home)
    loader = jinja2.FileSystemLoader(_HERE / "templates")
    looker = Depends(look)
    templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)

    def shown(request: Request, name: str, **values: Any) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        values |= {"root": root, "api": f"{root.removesuffix(PREFIX)}/api/v2", "now": sites.get().now}
        return HTMLResponse(templates.get_template(name).render(values), headers=_HEADERS)

    @app.exception_handler(TierlineError)
    def say(request: Request, error: TierlineError) -> HTMLResponse:
        status = 404 if isinstance(error, UsageError) else 503
        page = templates.get_template("error.html.j2").render(
            message=str(error), root=request.scope.get("root_path", "")
        )
        return HTMLResponse(page, status, headers=_HEADERS)

    @app.get("/page.css")
    def css(_user: Any = looker) -> Response:
        return Response((_HERE / "page.css").read_text(encoding="utf-8"), media_type="text/css")

    @app.get("/page.js")
    def script(_user: Any = looker) -> Response:
        return Response((_HERE / "page.js").read_text(encoding="utf-8"), media_type="text/javascript")

    @app.get("/")
    def board(request: Request, _user: Any = looker, day: str = "") -> HTMLResponse:
        """Feed × source × cycle up to a day."""
        chosen = _day(day) if day else sites.get().now.date()
        with sites.get().ledger.reading() as connection:
            alarms = open_alarms(connection)
        tables = make_board(sites.get(), chosen)
        return shown(request, "board.html.j2", day=chosen, tables=tables, alarm_count=len(alarms))

    @app.get("/alarms")
    def alarms(request: Request, _user: Any = looker, page: Annotated[int, Query(ge=1)] = 1) -> HTMLResponse:
        """What is not as it must be, newest first."""
        with sites.get().ledger.reading() as connection:
            found = open_alarms(connection)[::-1]
        here = found[(page - 1) * _SIZE : page * _SIZE]
        return shown(request, "alarms.html.j2", alarms=here, total=len(found), page=page, size=_SIZE, to_do=TO_DO)

    @app.get("/cycle/{feed}/{source}/{mode}/{cycle}")
    def one_cycle(request: Request, feed: str, source: str, mode: str, cycle: str, _user: Any = looker) -> HTMLResponse:
        """A cycle: what it lacks, and its batches."""
        key = CycleKey(feed, source, mode, cycle)
        if not is_cycle(sites.get(), key):
            raise HTTPException(404, f"no feed of this home has a cycle {key}")
        status, found = cycle_story(sites.get(), key)
        return shown(request, "cycle.html.j2", key=key, status=status, batches=found, codes=CODES)

    @app.get("/batches")
    def batches(
        request: Request,
        _user: Any = looker,
        state: str = "",
        feed: str = "",
        source: str = "",
        cycle: str = "",
        text: str = "",
        page: Annotated[int, Query(ge=1)] = 1,
    ) -> HTMLResponse:
        """The ledger, newest first, a page at a time."""
        if state and state not in [each.value for each in State]:
            raise HTTPException(404, f"state {state}: expected one of {', '.join(each.value for each in State)}")
        wanted = State(state) if state else None
        found, total = list_batches(sites.get(), wanted, feed, source, cycle, text.strip(), page, _SIZE)
        asked = {"state": state, "feed": feed, "source": source, "cycle": cycle, "text": text}
        site = sites.get()
        return shown(
            request, "batches.html.j2", batches=found, total=total, page=page, size=_SIZE, asked=asked,
            states=[each.value for each in State], feeds=site.contracts.feed_names, sources=list(site.config.sources),
        )  # fmt: skip

    @app.get("/batch/{stem}")
    def batch(request: Request, stem: str, user: Any = looker) -> HTMLResponse:
        """The story of a batch, its rejected rows masked, and what may be done."""
        site = sites.get()
        offered = offerings_of(site, stem)
        current = offered[-1]
        rejects = rejected_rows(site, current, masked=True, most=_REJECTS) if has_rejects(site, current) else []
        return shown(
            request, "batch.html.j2", stem=stem, batch=current, story=batch_story(site, stem), codes=CODES,
            rejects=list(rejects), actions=[_actions(each) for each in offered], may_act=may_act(user),
        )  # fmt: skip

    @app.get("/batch/{stem}/rejects")
    def rejects(stem: str, user: Any = looker) -> StreamingResponse:
        """The reject file, byte for byte: personal data as it came, so only for those who may act."""
        if not may_act(user):
            raise HTTPException(403, "the reject file holds personal data: only operators get it")
        site = sites.get()
        current = offerings_of(site, stem)[-1]
        if not has_rejects(site, current):
            raise UsageError(f"batch {stem}: no rejected rows ({current.state})")
        lines: Iterator[bytes] = iter(RejectLines(kept_rejects(site, current)))
        headers = _HEADERS | {"Content-Disposition": f'attachment; filename="{current.stem}.REJ"'}
        return StreamingResponse(lines, media_type="application/octet-stream", headers=headers)

    return app


def _actions(current: Offering) -> list[str]:
    """What may be asked of one offering."""
    found = [Action.RETRY.value] if current.state is State.REFUSED else []
    found += [Action.ACCEPT.value] if current.state is State.REFUSED and current.code == LIMIT else []
    found += [Action.DISCARD.value] if current.state in DISCARDABLE else []
    return [*found, "replay"] if current.state in STANDING else found


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HTTPException(404, f"day {text}: expected one such as 2026-11-21") from None
