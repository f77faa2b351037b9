"""Commands by which an operator mends: batch retry, accept, discard; replay."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines import operating
from pipelines.cli.context import JsonOption, SourceOption, WhyOption, home_path, open_site, scope_of
from pipelines.cli.output import Exit, complain, progress, say, show_rows
from pipelines.cli.show import batch_app
from pipelines.cli.work import load_step
from pipelines.operating import Action
from pipelines.site import Scope

OfferingOption = Annotated[
    int | None,
    typer.Option("--offering", help="Which offering of the stem, as 'batch show' counts them; default: the one due."),
]


@batch_app.command("retry")
def retry(context: typer.Context, stem: str, why: WhyOption = "by hand", number: OfferingOption = None) -> None:
    """Run a refused batch again from its kept bytes, by the contract and the ledger of now.

    Example: tierline batch retry PAYM_110_I_2026112210_0001_00 --why "code list was extended"
    """
    raise typer.Exit(_decide(context, Action.RETRY, stem, why, number))


@batch_app.command("accept")
def accept(context: typer.Context, stem: str, why: WhyOption, number: OfferingOption = None) -> None:
    """Let a batch through that the limit E501 refused; its rejected rows stay rejected.

    Example: tierline batch accept PAYM_110_I_2026112210_0001_00 --why "known fault of channel WAP, ticket 4711"
    """
    raise typer.Exit(_decide(context, Action.ACCEPT, stem, why, number))


@batch_app.command("discard")
def discard(context: typer.Context, stem: str, why: WhyOption, number: OfferingOption = None) -> None:
    """Take a batch out; the newest version below it comes back. Its bytes stay in quarantine.

    Example: tierline batch discard PAYM_110_I_2026112210_0001_01 --why "sent by mistake, says the province"
    """
    raise typer.Exit(_decide(context, Action.DISCARD, stem, why, number))


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
    with progress("replay: judging batches") as tell:
        replayed, failed = operating.replay(site, scope, feed, first, last, why, tell)
    columns = ["stem", "code", "loaded", "rejected", "reason"]
    if replayed or as_json:
        show_rows(columns, [[getattr(each, name) for name in columns] for each in replayed], as_json=as_json)
    elif not failed:
        complain(f"replay: no batch of {feed} stands from {first} to {last}; which there are: tierline batches")
    for message in failed:
        complain(message)
    refused = [each for each in replayed if each.code]
    for each in refused:
        complain(f"{each.stem}: would be refused now ({each.code}); it stands as before: see 'tierline batch discard'")
    status = load_step(site, Scope(feeds=(feed,)), speak=complain if as_json else say, tell_untold=False)
    if failed or status is Exit.FAILED:
        raise typer.Exit(Exit.FAILED)
    rejected = any(each.rejected for each in replayed)
    raise typer.Exit(Exit.REFUSED if refused or rejected else status)


def _decide(context: typer.Context, action: Action, stem: str, why: str, number: int | None) -> Exit:
    """Say what became of it, and load what was let through, or take out what was discarded."""
    site = open_site(home_path(context))
    decided = operating.decide(site, action, stem, why, number)
    for line in decided.said:
        say(line)
    for line in (*decided.refused, *decided.failed):
        complain(line)
    if decided.failed:
        return Exit.FAILED
    status = load_step(site, decided.scope, tell_untold=False)
    return Exit.REFUSED if status is Exit.DONE and decided.is_refused else status
