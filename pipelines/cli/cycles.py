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
from pipelines.completeness import CycleState, CycleStatus
from pipelines.contracts.model import Mode
from pipelines.cycles import parse_cycle
from pipelines.errors import UsageError
from pipelines.ledger.alarms import Kind
from pipelines.ledger.cycle_acceptances import accept_cycle, said
from pipelines.operating import EXAMPLES
from pipelines.site import Scope

cycles_app = typer.Typer(invoke_without_command=True, **PLAIN)
_COLUMNS = ("feed", "source", "mode", "cycle", "state", "files", "accepted", "expected_at", "gaps", "reason",
            "let_through")  # fmt: skip


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
    scope = scope_of(site, source, feed, cycle, of_past=True)
    only_watched = state is not None and set(state) <= {CycleState.LATE, CycleState.MISSING}
    shown = [
        each for each in steps.statuses(site, scope, watched_only=only_watched) if not state or each.state in state
    ]
    rows = [
        [*vars(each.key).values(), each.state.value, each.files, each.accepted, each.expected_at,
         " ".join(each.gaps), each.reason, said(each.let_through) or None]
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
    cadence = site.contracts[feed].schedule.cadence
    if parse_cycle(cadence, cycle) is None:
        raise UsageError(f"cycle {cycle}: expected one of {feed}, which is {cadence}: {EXAMPLES[cadence]}")
    found = [
        each
        for each in steps.statuses(site, Scope((source,), (feed,), (cycle,)))
        if each.key.mode == Mode.FULL
    ]  # fmt: skip
    if not found or found[0].state is not CycleState.HELD:
        raise UsageError(f"cycle {feed} {source} {cycle}: expected a snapshot that is held, found {_instead(found)}")
    held = found[0]
    with site.ledger.transaction() as connection:
        accept_cycle(connection, Kind.HELD, held.key, held.offerings, site.change(why))
    say(f"{held.key}: accepted ({held.reason}); the next load ends what it no longer names")


def _instead(found: list[CycleStatus]) -> str:
    if not found:
        return "none of this cycle; those that are: 'tierline cycles --state held'"
    if found[0].let_through:
        return f"one that was accepted already by {said(found[0].let_through)}"
    return f"one that is {found[0].state}; those that are: 'tierline cycles --state held'"
