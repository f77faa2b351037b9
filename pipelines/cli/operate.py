"""Commands by which an operator mends: batch retry, accept, discard; replay."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines import life
from pipelines.checking import Checked
from pipelines.cli.context import JsonOption, SourceOption, WhyOption, home_path, open_site, scope_of
from pipelines.cli.output import Exit, complain, progress, say, show_rows
from pipelines.cli.show import batch_app, offerings_of
from pipelines.cli.work import load_step
from pipelines.cycles import parse_cycle
from pipelines.errors import StoreError, UsageError
from pipelines.ledger import offerings
from pipelines.ledger.offerings import STANDING, Offering, State
from pipelines.ledger.tables import offering
from pipelines.site import Scope, Site

OfferingOption = Annotated[
    int | None,
    typer.Option("--offering", help="Which offering of the stem, as 'batch show' counts them; default: the one due."),
]


@batch_app.command("retry")
def retry(context: typer.Context, stem: str, why: WhyOption = "by hand", number: OfferingOption = None) -> None:
    """Run a refused batch again from its kept bytes, by the contract and the ledger of now.

    Example: tierline batch retry PAYM_110_I_2026112210_0001_00 --why "code list was extended"
    """
    site = open_site(home_path(context))
    current = _chosen(site, stem, number, (State.REFUSED, State.VERIFIED))
    raise typer.Exit(_judged(site, current, life.retry(site, current, why)))


@batch_app.command("accept")
def accept(context: typer.Context, stem: str, why: WhyOption, number: OfferingOption = None) -> None:
    """Let a batch through that the limit E501 refused; its rejected rows stay rejected.

    Example: tierline batch accept PAYM_110_I_2026112210_0001_00 --why "known fault of channel WAP, ticket 4711"
    """
    site = open_site(home_path(context))
    current = _chosen(site, stem, number, (State.REFUSED,))
    raise typer.Exit(_judged(site, current, life.accept(site, current, why)))


@batch_app.command("discard")
def discard(context: typer.Context, stem: str, why: WhyOption, number: OfferingOption = None) -> None:
    """Take a batch out; the newest version below it comes back. Its bytes stay in quarantine.

    Example: tierline batch discard PAYM_110_I_2026112210_0001_01 --why "sent by mistake, says the province"
    """
    site = open_site(home_path(context))
    current = _chosen(site, stem, number, (*STANDING, State.VERIFIED, State.SUPERSEDED, State.REFUSED))
    back = life.discard(site, current, why)
    say(f"{stem}: discarded")
    if back is not None:
        say(f"{back.stem}: comes back")
    raise typer.Exit(load_step(site, _scope(current)))


def replay(
    context: typer.Context,
    feed: Annotated[str, typer.Option("--feed", help="The feed, such as PAYM.")],
    first: Annotated[str, typer.Option("--from", help="First cycle, such as 2026112200.")],
    last: Annotated[str, typer.Option("--to", help="Last cycle.")],
    source: SourceOption = None,
    why: WhyOption = "by hand",
    as_json: JsonOption = False,
) -> None:
    """Judge the batches of some cycles again from the archive, and load them anew.

    Example: tierline replay --feed PAYM --from 2026112200 --to 2026112223
    """
    site = open_site(home_path(context))
    scope = scope_of(site, source, [feed], None)
    _require_cycles(site, feed, first, last)
    with site.ledger.reading() as connection:
        found = offerings.find(
            connection, offering.c.state.in_(STANDING), offering.c.feed == feed, offering.c.cycle.between(first, last)
        )
    due = [each for each in found if scope.has(each.source, each.feed)]
    replayed, failed = _replay(site, due, why)
    columns = ["stem", "code", "loaded", "rejected", "reason"]
    show_rows(columns, [[getattr(each, name) for name in columns] for each in replayed], as_json=as_json)
    for message in failed:
        complain(message)
    refused = [each for each in replayed if each.code]
    for each in refused:
        complain(f"{each.stem}: would be refused now ({each.code}); it stands as before: see 'tierline batch discard'")
    status = load_step(site, Scope(feeds=(feed,)), speak=complain if as_json else say)
    rejected = any(each.rejected for each in replayed)
    raise typer.Exit(Exit.FAILED if failed else Exit.REFUSED if refused or rejected else status)


def _replay(site: Site, due: list[Offering], why: str) -> tuple[list[life.Replayed], list[str]]:
    replayed, failed = [], []
    with progress("replay: judging batches") as tell:
        for done, current in enumerate(due, start=1):
            try:
                replayed.append(life.replay(site, current, site.change(f"replayed: {why}")))
            except StoreError as error:  # this batch cannot be judged; the others can
                failed.append(f"{current.stem}: {error}")
            tell(done, len(due))
    return replayed, failed


def _require_cycles(site: Site, feed: str, first: str, last: str) -> None:
    cadence = site.contracts[feed].schedule.cadence
    for option, text in (("--from", first), ("--to", last)):
        if parse_cycle(cadence, text) is None:
            raise UsageError(f"{option} {text}: expected a cycle of {feed}, which is {cadence}")
    if first > last:
        raise UsageError(f"--from {first} --to {last}: expected the first cycle not after the last")


def _chosen(site: Site, stem: str, number: int | None, states: tuple[State, ...]) -> Offering:
    """The offering that a command is about: as numbered, else the latest in one of these states, else the latest."""
    offered = offerings_of(site, stem)
    if number is not None:
        if not 1 <= number <= len(offered):
            raise UsageError(f"--offering {number}: expected 1 to {len(offered)}; see 'tierline batch show {stem}'")
        return offered[number - 1]
    return next((each for state in states for each in reversed(offered) if each.state is state), offered[-1])


def _judged(site: Site, current: Offering, checked: Checked) -> Exit:
    """Say what became of it, whoever judged it, and load what was let through."""
    for message in checked.failed:
        complain(message)
    if checked.failed:
        return Exit.FAILED
    with site.ledger.reading() as connection:
        now = offerings.get(connection, current.offering_id)
    if now.state in STANDING:
        say(f"{now.stem}: accepted" + (", with rejected rows" if now.rejected else ""))
    else:
        complain(f"{now.stem}: {now.state}, {now.code}: {now.reason}")
    status = load_step(site, _scope(now))
    return Exit.REFUSED if status is Exit.DONE and (now.rejected or now.state not in STANDING) else status


def _scope(current: Offering) -> Scope:
    return Scope((current.source,), (current.feed,))
