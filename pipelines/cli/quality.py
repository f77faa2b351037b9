"""The command quality: what was found of cycles as a whole, and letting a failure through."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.context import (
    CycleOption,
    FeedOption,
    JsonOption,
    SourceOption,
    WhyOption,
    home_path,
    open_site,
    scope_of,
)
from pipelines.cli.output import PLAIN, Exit, complain, say, show_rows
from pipelines.contracts.model import Mode
from pipelines.errors import UsageError
from pipelines.ledger.alarms import Kind, clear_alarm
from pipelines.ledger.cycle_acceptances import said
from pipelines.ledger.offerings import Change
from pipelines.ledger.quality import Result, accept, holding, profiles, results
from pipelines.ledger.tables import quality_result
from pipelines.names import CycleKey

quality_app = typer.Typer(invoke_without_command=True, **PLAIN)
_COLUMNS = ("feed", "source", "mode", "cycle", "measure", "observed", "least", "most", "severity", "success",
            "let_through")  # fmt: skip


@quality_app.callback()
def quality(
    context: typer.Context,
    failed: Annotated[bool, typer.Option("--failed", help="Only expectations that failed, warnings included.")] = False,
    source: SourceOption = None,
    feed: FeedOption = None,
    cycle: CycleOption = None,
    as_json: JsonOption = False,
) -> None:
    """What was found of cycles as a whole; exit status 3 while a failure holds publication back.

    Example: tierline quality --failed
    """
    if context.invoked_subcommand is not None:
        return
    site = open_site(home_path(context))
    scope = scope_of(site, source, feed, cycle, of_past=True)
    conditions = [quality_result.c.success.is_(False)] if failed else []
    with site.ledger.reading() as connection:
        found = results(connection, *conditions)
        held = holding(connection)
        judged = profiles(connection, {each.key for each in found})
    shown = [each for each in found if scope.has(each.key.source, each.key.feed, each.key.cycle)]
    show_rows(_COLUMNS, [_row(each, judged[each.key].accepted) for each in shown], as_json=as_json)
    if not as_json and (index := site.home.bi / "quality" / "index.html").exists():
        complain(f"pages: {index}")
    raise typer.Exit(Exit.REFUSED if held else Exit.DONE)


@quality_app.command("accept")
def quality_accept(context: typer.Context, feed: str, source: str, cycle: str, why: WhyOption) -> None:
    """Let a cycle's failures hold publication back no longer; a new version of its files is judged anew.

    Example: tierline quality accept BILL 110 202610 --why "strike at the billing centre, ticket 4711"
    """
    site = open_site(home_path(context))
    scope_of(site, [source], [feed], None)
    with site.ledger.transaction() as connection:
        asked = (feed, source, cycle)
        held = [each for each in holding(connection) if (each.key.feed, each.key.source, each.key.cycle) == asked]
        for key in {each.key for each in held}:
            accept(connection, key, site.change(why))
            clear_alarm(connection, Kind.QUALITY, str(key), site.now)
        judged = profiles(connection, [CycleKey(feed, source, mode, cycle) for mode in Mode])
    if not held:
        word = next((each.accepted for each in judged.values() if each.accepted), None)
        found = f"one that was accepted already by {said(word)}" if word else "none; see 'tierline quality --failed'"
        raise UsageError(f"cycle {feed} {source} {cycle}: expected one that failed, found {found}")
    say(f"{held[0].key}: accepted ({', '.join(each.measure for each in held)}); publication waits for it no longer")


def _row(each: Result, word: Change | None) -> list[object]:
    bounds = [each.observed, each.least, each.most]
    let_through = said(word) or None if each.is_failure else None
    return [*vars(each.key).values(), each.measure, *bounds, each.severity, each.success, let_through]
