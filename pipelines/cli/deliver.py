"""Commands about receivers: deliver, and the ledger of deliveries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from pipelines import delivering
from pipelines.cli.context import CycleOption, JsonOption, SourceOption, home_path, open_site, scope_of
from pipelines.cli.fetch import tell_alarms_of
from pipelines.cli.output import PLAIN, Exit, complain, progress, say, say_json, show_rows
from pipelines.delivering import EVERYTHING
from pipelines.delivery.due import Wanted
from pipelines.errors import UsageError
from pipelines.ledger import deliveries as ledger
from pipelines.ledger.deliveries import DeliveryState
from pipelines.ledger.tables import delivery
from pipelines.lists import LISTS, NATION
from pipelines.names import parse_stem
from pipelines.site import Scope, Site

ReceiverOption = Annotated[list[str] | None, typer.Option("--receiver", help="Only this receiver; repeatable.")]
ListOption = Annotated[list[str] | None, typer.Option("--list", help="Only this list, such as TIER; repeatable.")]

deliveries_app = typer.Typer(invoke_without_command=True, **PLAIN)
_COLUMNS = (
    "receiver", "stem", "publication_id", "state", "attempts", "bytes", "digest", "first_attempt_at",
    "last_attempt_at", "delivered_at", "message",
)  # fmt: skip


def deliver(
    context: typer.Context,
    receiver: ReceiverOption = None,
    lists: ListOption = None,
    source: SourceOption = None,
    cycle: CycleOption = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was delivered before.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --again: write over other bytes under the same name.")
    ] = False,
) -> None:
    """Deliver the newest published lists to their receivers, and read the receivers' receipts.

    Example: tierline deliver --receiver acd --list TIER --again
    """
    site = open_site(home_path(context))
    if replace and not again:
        raise UsageError("--replace: expected together with --again; what is due for the first time replaces nothing")
    chosen = _scope(site, receiver, lists, source, cycle)
    raise typer.Exit(deliver_step(site, Wanted(tuple(receiver or ()), chosen, again, replace)))


def deliver_step(site: Site, wanted: Wanted = EVERYTHING, speak: Callable[[str], None] = say) -> Exit:
    """Deliver, and say what came of it."""
    with progress("deliver: lists") as tell:
        delivered = delivering.deliver(site, wanted, tell)
    speak(
        f"deliver: {len(delivered.done)} lists delivered, {len(delivered.failed)} failed, "
        f"{delivered.superseded} superseded, {len(delivered.answers)} receipts"
    )
    for current in delivered.done:
        speak(f"  {current.receiver}: {current.stem}")
    for each in delivered.waiting:
        until = "accepted, which the receiver refused" if each.is_refused else "delivered"
        speak(f"  {each.delivery.receiver}: {each.delivery.stem} waits until {each.full} is {until}")
    for name in delivered.busy:
        speak(f"  {name}: another process is delivering to it right now, and delivers what is due")
    refused = [each for each in delivered.answers if each.state is not DeliveryState.ACCEPTED]
    for answer in refused:
        speak(f"  {answer.delivery.receiver}: {answer.delivery.stem} {answer.message}")
    for name, text in delivered.unreadable:
        speak(f"  {name}: a receipt that cannot be read, {text}")
    tell_alarms_of(site)
    for name, messages in delivered.errors.items():
        for message in messages:
            complain(f"receiver {name}: {message}; what is not delivered stays due: 'tierline deliver' tries it again")
    is_odd = refused or delivered.unreadable or any(each.is_refused for each in delivered.waiting)
    return Exit.FAILED if delivered.errors else Exit.REFUSED if is_odd else Exit.DONE


@deliveries_app.callback()
def deliveries(
    context: typer.Context,
    receiver: ReceiverOption = None,
    state: Annotated[
        list[DeliveryState] | None, typer.Option("--state", help="Only deliveries in this state; repeatable.")
    ] = None,
    lists: ListOption = None,
    source: SourceOption = None,
    cycle: CycleOption = None,
    as_json: JsonOption = False,
) -> None:
    """The ledger of deliveries: which receiver has which list, is to have it, or why it has not.

    Example: tierline deliveries --receiver acd --state failed
    """
    if context.invoked_subcommand is not None:
        return
    site = open_site(home_path(context))
    scope = _scope(site, receiver, lists, source, cycle)
    conditions = [delivery.c.receiver.in_(receiver)] if receiver else []
    conditions += [delivery.c.state.in_(state)] if state else []
    with site.ledger.reading() as connection:
        found = ledger.find(connection, *conditions)
    wanted = Wanted(scope=scope)
    rows = [[getattr(each, name) for name in _COLUMNS] for each in found if wanted.has(each)]
    show_rows(_COLUMNS, rows, as_json=as_json)


@deliveries_app.command("show")
def show(context: typer.Context, stem: str, as_json: JsonOption = False) -> None:
    """One list: its deliveries to all receivers, each change of state with time, cause and actor.

    Example: tierline deliveries show TIER_110_F_20261121_0001_00
    """
    site = open_site(home_path(context))
    with site.ledger.reading() as connection:
        found = ledger.find(connection, delivery.c.stem == stem)
        story = ledger.history(connection, stem)
    if not found:
        expected = "one that some receiver is to have" if parse_stem(stem) else "a stem"
        raise UsageError(f"deliveries show {stem}: expected {expected}; 'tierline deliveries' lists them")
    described = [
        {name: getattr(each, name) for name in _COLUMNS}
        | {"states": [event for event in story if event["receiver"] == each.receiver]}
        for each in found
    ]
    if as_json:
        say_json(described)
        return
    for each in described:
        say(f"{stem} to {each['receiver']}")
        for name in _COLUMNS[2:]:
            say(f"  {name:<17} {'' if each[name] is None else each[name]}")
        for event in each["states"]:
            say(f"  {event['at']}  {event['state']:<11} {event['cause']}  [{event['actor']}]")


def _scope(
    site: Site, receiver: list[str] | None, lists: list[str] | None, source: list[str] | None, cycle: list[str] | None
) -> Scope:
    """The scope that options name, lists in the place of feeds. Raises UsageError for what does not exist."""
    known = site.config.receivers
    for name in receiver or []:
        if name not in known:
            raise UsageError(f"--receiver {name}: expected one of {', '.join(known) or 'none: none is configured'}")
    for name in lists or []:
        if name not in (kind.name for kind in LISTS):
            raise UsageError(f"--list {name}: expected one of {', '.join(kind.name for kind in LISTS)}")
    scope_of(site, [name for name in source or [] if name != NATION], None, cycle)
    return Scope(tuple(source or ()), tuple(lists or ()), tuple(cycle or ()))
