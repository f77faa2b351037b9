"""Cycles that are about to be told as late or missing, looked at once more: another process may have their files."""

from __future__ import annotations

from pipelines.completeness import CycleState, CycleStatus, Within, cycle_statuses
from pipelines.ledger.alarms import Kind, open_subjects
from pipelines.site import Site

_KINDS = {CycleState.LATE: Kind.LATE, CycleState.MISSING: Kind.MISSING}


def without_those_in_hand(site: Site, statuses: list[CycleStatus]) -> list[CycleStatus]:
    """The same cycles; those that nobody was told of yet as late or missing are as they are now.

    Of a feed that another process fetches right now these are left out: it takes what it finds, and the next run looks.
    """
    with site.ledger.reading() as connection:
        told = {kind: open_subjects(connection, kind) for kind in _KINDS.values()}
    new = {each.key for each in statuses if each.is_overdue and str(each.key) not in told[_KINDS[each.state]]}
    if not new:
        return statuses
    busy = {feed_source for feed_source in {(key.feed, key.source) for key in new} if _is_fetched(site, *feed_source)}
    sources = {key.source for key in new}
    within = Within(sources.pop() if len(sources) == 1 else None, cycles=frozenset(key.cycle for key in new))
    with site.ledger.reading() as connection:  # after the locks were asked for: what was fetched until then is in it
        now = {each.key: each for each in cycle_statuses(connection, site.config, site.contracts, site.now, within)}
    in_hand = {key for key in new if (key.feed, key.source) in busy}
    return [now.get(each.key, each) if each.key in new else each for each in statuses if each.key not in in_hand]


def _is_fetched(site: Site, feed: str, source: str) -> bool:
    with site.lock(f"take-{source}-{feed}") as mine:
        return not mine
