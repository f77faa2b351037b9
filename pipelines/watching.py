"""Cycles that are late, missing or held: one alarm each (file interface, section 8)."""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.completeness import CycleState, CycleStatus
from pipelines.ledger.alarms import Kind, settle_alarms
from pipelines.site import Site

_KINDS = {CycleState.LATE: Kind.LATE, CycleState.MISSING: Kind.MISSING, CycleState.HELD: Kind.HELD}


def settle_cycle_alarms(site: Site, statuses: Iterable[CycleStatus]) -> None:
    """Raise one alarm for each cycle that became late, missing or held; clear those of cycles that no longer are.

    One that nobody waits for any more, for it is too old, did not come all the same: its alarm stays.
    """
    found: dict[Kind, dict[str, str]] = {kind: {} for kind in _KINDS.values()}
    settled = set()
    for status in statuses:
        if kind := _KINDS.get(status.state):
            found[kind][str(status.key)] = f"{status.reason or 'nothing came'}, expected {status.expected_at}"
        if status.state is not CycleState.OPEN:
            settled.add(str(status.key))
    with site.ledger.transaction() as connection:
        for kind, subjects in found.items():
            settle_alarms(connection, kind, subjects, settled.__contains__, site.now)
