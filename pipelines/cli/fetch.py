"""The command fetch."""

from __future__ import annotations

import typer

from pipelines import fetching
from pipelines.cli.context import CycleOption, FeedOption, SourceOption, home_path, open_site, scope_of
from pipelines.cli.output import Exit, complain, progress, say
from pipelines.site import Scope, Site
from pipelines.telling.alarms import folded, tell_alarms


def fetch(
    context: typer.Context, source: SourceOption = None, feed: FeedOption = None, cycle: CycleOption = None
) -> None:
    """Take what has arrived on the sources' servers into the archive.

    Example: tierline fetch --source 110 --feed PAYM
    """
    site = open_site(home_path(context))
    raise typer.Exit(fetch_step(site, scope_of(site, source, feed, cycle)))


def fetch_step(site: Site, scope: Scope) -> Exit:
    """Fetch and say what came of it."""
    with progress("fetch: taking batches") as tell:
        fetched = fetching.fetch(site, scope, tell)
    taken = fetched.taken
    say(
        f"fetch: {len(taken.verified)} batches taken, {len(taken.refused)} refused, "
        f"{len(taken.duplicates)} duplicates, {len(taken.ends)} end files, {len(taken.left)} files left"
    )
    for stem in taken.refused:
        say(f"  refused: {stem}; why: tierline batch show {stem}")
    for name in taken.left:
        say(f"  left: {name}; why: tierline batches --left")
    for feed in taken.busy:
        say(f"  {feed}: another process is fetching it right now, and takes what it finds")
    tell_alarms_of(site)
    return say_errors(fetched.errors) or (Exit.REFUSED if taken.refused else Exit.DONE)


def tell_alarms_of(site: Site) -> None:
    """Say the alarms that nobody was told of yet, late and missing cycles by feed, and who could not be told."""
    told = tell_alarms(site)
    for alarm in folded(told.alarms):
        complain(f"alarm: {alarm.kind} {alarm.subject}: {alarm.message}")
    for message in told.errors:
        complain(f"alarms: {message}")


def say_errors(messages: dict[str, str]) -> Exit:
    """Say what kept sources from being done, and the exit status that follows."""
    for source, message in messages.items():
        complain(f"source {source}: {message}")
    return Exit.FAILED if messages else Exit.DONE
