"""What an operator asks for of batches, whoever carries it out: a command, a task, a button of the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pipelines import life
from pipelines.contracts.model import Cadence
from pipelines.cycles import parse_cycle
from pipelines.errors import LedgerAwayError, StoreError, UsageError
from pipelines.ledger import offerings
from pipelines.ledger.offerings import STANDING, Offering, State
from pipelines.ledger.tables import offering
from pipelines.resends import IN_HAND
from pipelines.site import Scope, Site


class Action(StrEnum):
    """What may be asked of one batch."""

    RETRY = "retry"
    ACCEPT = "accept"
    DISCARD = "discard"


EXAMPLES = {
    Cadence.HOURLY: "YYYYMMDDHH, such as 2026112210",
    Cadence.DAILY: "YYYYMMDD, such as 20261122",
    Cadence.MONTHLY: "YYYYMM, such as 202611",
}
# What an offering is once it was done: asked again of the same offering, nothing is left to do.
_DONE = {Action.RETRY: STANDING, Action.ACCEPT: STANDING, Action.DISCARD: (State.DISCARDED,)}
# Which offering of a stem each is about: the latest in the first of these states that one has.
_OF = {
    Action.RETRY: (State.REFUSED, State.VERIFIED),
    Action.ACCEPT: (State.REFUSED,),
    Action.DISCARD: (*STANDING, State.VERIFIED, State.SUPERSEDED, State.REFUSED, *IN_HAND),
}


@dataclass(frozen=True)
class Decided:
    """What came of it: said in words, and what has to be loaded now. `is_refused`: it did not, or not all, get through.

    `failed`: batches that could not be judged at all, and why.
    """

    said: list[str]
    refused: list[str]
    failed: list[str]
    scope: Scope
    is_refused: bool = False


def decide(site: Site, action: Action, stem: str, why: str, number: int | None = None) -> Decided:
    """Retry, accept or discard a batch; core is brought along by the next load of the scope that is returned.

    `number` says which offering of the stem, from 1 on. Raises UsageError where that cannot be done to it, StoreError
    where its bytes are not there.
    """
    if not why.strip():
        raise UsageError(f"batch {stem}: expected a reason, found none; it stands in the ledger with your name")
    current = _chosen(site, stem, number, _OF[action])
    scope = Scope((current.source,), (current.feed,))
    if number is not None and current.state in _DONE[action]:
        return Decided([f"{stem}: is {current.state} already"], [], [], scope)
    if action is Action.DISCARD:
        back = life.discard(site, current, why)
        # Where the load that follows stops, such as for want of space, it is enough to load: the ledger has the word.
        said = [f"{stem}: discarded; 'tierline load', which follows, takes its rows out of core"]
        said += [f"{back.stem}: comes back"] if back else []
        return Decided(said, [], [], scope)
    checked = (life.retry if action is Action.RETRY else life.accept)(site, current, why)
    if checked.failed:
        return Decided([], [], checked.failed, scope)
    with site.ledger.reading() as connection:
        now = offerings.get(connection, current.offering_id)
    if now.state not in STANDING:  # whoever judged it
        kept = "; it is kept, and comes back if that version is discarded" if now.state is State.SUPERSEDED else ""
        return Decided([], [f"{now.stem}: {now.state}, {now.code}: {now.reason}{kept}"], [], scope, is_refused=True)
    word = "accepted, with rejected rows" if now.rejected else "accepted"
    return Decided([f"{now.stem}: {word}"], [], [], scope, is_refused=bool(now.rejected))


def replay(
    site: Site, scope: Scope, feed: str, first: str, last: str, why: str, tell: Callable[[int, int], None] | None = None
) -> tuple[list[life.Replayed], list[str]]:
    """Judge the standing batches of some cycles of a feed again; what became of each, and which could not be judged.

    Raises UsageError for a source or feed that is not configured, and for cycles that the feed cannot have;
    LedgerAwayError, which is of no batch.
    """
    for source in scope.sources:
        if source not in site.config.sources:
            raise UsageError(f"source {source}: expected one of {', '.join(site.config.sources)}")
    if feed not in site.contracts:
        raise UsageError(f"feed {feed}: expected one of {', '.join(site.contracts.feed_names)}")
    cadence = site.contracts[feed].schedule.cadence
    for place, text in (("first", first), ("last", last)):
        if parse_cycle(cadence, text) is None:
            expected = f"expected a cycle of {feed}, which is {cadence}: {EXAMPLES[cadence]}"
            raise UsageError(f"{place} cycle {text}: {expected}")
    if first > last:
        raise UsageError(f"first cycle {first}, last cycle {last}: expected the first not after the last")
    with site.ledger.reading() as connection:
        found = offerings.find(
            connection, offering.c.state.in_(STANDING), offering.c.feed == feed, offering.c.cycle.between(first, last)
        )
    due = [each for each in found if scope.has(each.source, each.feed)]
    replayed, failed = [], []
    for done, current in enumerate(due, start=1):
        try:
            replayed.append(life.replay(site, current, site.change(f"replayed: {why}")))
        except LedgerAwayError:
            raise
        except (StoreError, OSError) as error:  # this batch cannot be judged; the others can
            failed.append(f"{current.stem}: {error}")
        if tell:
            tell(done, len(due))
    return replayed, failed


def offerings_of(site: Site, stem: str) -> list[Offering]:
    """Every offering of a stem, oldest first. Raises UsageError for a stem that the ledger does not know."""
    with site.ledger.reading() as connection:
        found = offerings.find(connection, offering.c.stem == stem)
    if not found:
        raise UsageError(
            f"batch {stem}: the ledger knows no such stem (a file's name up to its first dot, such as "
            "PAYM_110_I_2026112210_0001_00); 'tierline batches' lists those it knows, 'tierline batches --left' those "
            "that wait on the server"
        )
    return found


def numbered(offered: list[Offering], number: int) -> Offering:
    """One of all offerings of a stem, as 'batch show' counts them, from 1 on. Raises UsageError."""
    if not 1 <= number <= len(offered):
        raise UsageError(
            f"--offering {number}: expected 1 to {len(offered)}; see 'tierline batch show {offered[0].stem}'"
        )
    return offered[number - 1]


def _chosen(site: Site, stem: str, number: int | None, states: tuple[State, ...]) -> Offering:
    """The offering that is meant: as numbered, else the latest in one of these states, else the latest."""
    offered = offerings_of(site, stem)
    if number is not None:
        return numbered(offered, number)
    return next((each for state in states for each in reversed(offered) if each.state is state), offered[-1])
