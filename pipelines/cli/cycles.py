"""The command cycles: completeness, and letting a held snapshot through."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines import steps
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
from pipelines.cli.output import PLAIN, Exit, say, show_rows
from pipelines.completeness import CycleState
from pipelines.errors import UsageError
from pipelines.ledger.cycle_acceptances import accept_cycle
from pipelines.site import Scope

cycles_app = typer.Typer(invoke_without_command=True, **PLAIN)
_COLUMNS = ("feed", "source", "mode", "cycle", "state", "files", "accepted", "expected_at", "gaps", "reason")


@cycles_app.callback()
def cycles(
    context: typer.Context,
    state: Annotated[list[CycleState] | None, typer.Option("--state", help="Only cycles in this state.")] = None,
    source: SourceOption = None,
    feed: FeedOption = None,
    cycle: CycleOption = None,
    as_json: JsonOption = False,
) -> None:
    """Completeness by feed, source and cycle, with gaps and when each was expected; exit status 4 where one is overdue.

    Example: tierline cycles --state late --state missing
    """
    if context.invoked_subcommand is not None:
        return
    site = open_site(home_path(context))
    scope = scope_of(site, source, feed, cycle)
    only_watched = state is not None and set(state) <= {CycleState.LATE, CycleState.MISSING}
    shown = [
        each for each in steps.statuses(site, scope, watched_only=only_watched) if not state or each.state in state
    ]
    rows = [
        [*vars(each.key).values(), each.state.value, each.files, each.accepted, each.expected_at,
         " ".join(each.gaps), each.reason]
        for each in shown
    ]  # fmt: skip
    show_rows(_COLUMNS, rows, as_json=as_json)
    raise typer.Exit(Exit.LATE if any(each.is_overdue for each in shown) else Exit.DONE)


@cycles_app.command("accept")
def accept(context: typer.Context, feed: str, source: str, cycle: str, why: WhyOption) -> None:
    """Let the endings of a full snapshot through that E505 holds because it shrank too much.

    Example: tierline cycles accept USER 110 20261121 --why "12,000 dormant numbers were closed, ticket 4711"
    """
    site = open_site(home_path(context))
    scope_of(site, [source], [feed], None)
    held = [
        each
        for each in steps.statuses(site, Scope((source,), (feed,), (cycle,)))
        if each.state is CycleState.HELD
    ]  # fmt: skip
    if not held:
        raise UsageError(f"cycle {feed} {source} {cycle}: expected one that is held; 'tierline cycles --state held'")
    with site.ledger.transaction() as connection:
        accept_cycle(connection, held[0].key, held[0].standing, site.change(why))
    say(f"{held[0].key}: accepted ({held[0].reason}); the next load ends what it no longer names")
