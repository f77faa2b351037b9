"""Cycles that are late, missing, held, or hold more than their end file names: one alarm each (sections 3 and 8)."""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.completeness import CycleState, CycleStatus
from pipelines.cycles import parse_cycle
from pipelines.due_cycles import is_waited_for
from pipelines.ledger.alarms import Kind, open_subjects, settle_alarms
from pipelines.names import CycleKey
from pipelines.site import Site

_KINDS = {CycleState.LATE: Kind.LATE, CycleState.MISSING: Kind.MISSING, CycleState.HELD: Kind.HELD}


def settle_cycle_alarms(site: Site, statuses: Iterable[CycleStatus]) -> None:
    """Raise one alarm for each cycle that became one of these; clear those of cycles that no longer are.

    One that nobody waits for any more, for it is too old, did not come all the same: its alarm stays. What the
    configuration has taken back is over, whatever source it was of: cycles before `since`, feeds and sources that it
    names no longer, and files that they left on a server.
    """
    found: dict[Kind, dict[str, str]] = {kind: {} for kind in (*_KINDS.values(), Kind.UNNAMED)}
    settled = set()
    for status in statuses:
        if (kind := _KINDS.get(status.state)) and _is_configured(site, status.key):
            found[kind][str(status.key)] = _said(status)
        if status.state is CycleState.COMPLETE and status.reason and _is_configured(site, status.key):
            found[Kind.UNNAMED][str(status.key)] = status.reason
        if status.state is not CycleState.OPEN:
            settled.add(str(status.key))

    def is_over(subject: str) -> bool:
        return subject in settled or not _is_waited_for(site, subject)

    def is_held_no_longer(subject: str) -> bool:
        return subject in settled or not _is_configured(site, _key(subject))

    with site.ledger.transaction() as connection:
        for kind, subjects in found.items():
            # What was taken of history may be held or unnamed too: 'cycles accept' or an end file ends that, no date.
            covers = is_held_no_longer if kind in (Kind.HELD, Kind.UNNAMED) else is_over
            settle_alarms(connection, kind, subjects, covers, site.now)
        settle_alarms(connection, Kind.LEFT, {}, lambda subject: not _is_polled(site, subject), site.now)


def released(site: Site, statuses: Iterable[CycleStatus]) -> list[CycleStatus]:
    """Snapshots of which an alarm still says that they are held, though they end periods now without anybody's word."""
    with site.ledger.reading() as connection:
        held = open_subjects(connection, Kind.HELD)
    return [
        each
        for each in statuses
        if str(each.key) in held and each.state is CycleState.COMPLETE and each.is_whole and not each.let_through
    ]


def _said(status: CycleStatus) -> str:
    if status.state is CycleState.HELD:
        key = status.key
        return f"{status.reason}; 'tierline cycles accept {key.feed} {key.source} {key.cycle} --why …' where that is so"
    return f"{status.reason or 'nothing came'}, expected {status.expected_at}"


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
