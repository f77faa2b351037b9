"""Cycles that are late, missing or held: one alarm each (file interface, section 8)."""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.completeness import CycleState, CycleStatus
from pipelines.cycles import parse_cycle
from pipelines.due_cycles import is_waited_for
from pipelines.ledger.alarms import Kind, settle_alarms
from pipelines.names import CycleKey
from pipelines.site import Site

_KINDS = {CycleState.LATE: Kind.LATE, CycleState.MISSING: Kind.MISSING, CycleState.HELD: Kind.HELD}


def settle_cycle_alarms(site: Site, statuses: Iterable[CycleStatus]) -> None:
    """Raise one alarm for each cycle that became late, missing or held; clear those of cycles that no longer are.

    One that nobody waits for any more, for it is too old, did not come all the same: its alarm stays. What the
    configuration has taken back is over, whatever source it was of: cycles before `since`, feeds and sources that it
    names no longer, and files that they left on a server.
    """
    found: dict[Kind, dict[str, str]] = {kind: {} for kind in _KINDS.values()}
    settled = set()
    for status in statuses:
        if (kind := _KINDS.get(status.state)) and _is_configured(site, status.key):
            found[kind][str(status.key)] = f"{status.reason or 'nothing came'}, expected {status.expected_at}"
        if status.state is not CycleState.OPEN:
            settled.add(str(status.key))

    def is_over(subject: str) -> bool:
        return subject in settled or not _is_waited_for(site, subject)

    def is_held_no_longer(subject: str) -> bool:
        return subject in settled or not _is_configured(site, _key(subject))

    with site.ledger.transaction() as connection:
        for kind, subjects in found.items():
            # A snapshot of history may be held too: 'cycles accept' ends that, no date does.
            covers = is_held_no_longer if kind is Kind.HELD else is_over
            settle_alarms(connection, kind, subjects, covers, site.now)
        settle_alarms(connection, Kind.LEFT, {}, lambda subject: not _is_polled(site, subject), site.now)


def _key(subject: str) -> CycleKey:
    return CycleKey(*subject.split("_"))


def _is_configured(site: Site, key: CycleKey) -> bool:
    source = site.config.sources.get(key.source)
    return source is not None and key.feed in source.feeds


def _is_waited_for(site: Site, subject: str) -> bool:
    key = _key(subject)
    if key.feed not in site.contracts:
        return False
    cycle = parse_cycle(site.contracts[key.feed].schedule.cadence, key.cycle)
    return cycle is not None and is_waited_for(site.config, key, cycle)


def _is_polled(site: Site, subject: str) -> bool:
    """Whether a source's directory is looked into in which a file was left: `110 outgoing/PAYM/NAME`."""
    source, _, path = subject.partition(" ")
    _, directory, *name = path.split("/", 2)  # a name may have slashes in it, and then stand where no feed does
    if source not in site.config.sources:
        return False
    return not name or directory not in site.contracts or directory in site.config.sources[source].feeds
