"""Cycles that are late, missing or held: one alarm each, told where alarms go (file interface, section 8)."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from pathlib import Path

from pipelines.completeness import CycleState, CycleStatus
from pipelines.durable import naming_full_disk
from pipelines.ledger.alarms import Alarm, Kind, mark_told, settle_alarms, untold
from pipelines.site import Site

_KINDS = {CycleState.LATE: Kind.LATE, CycleState.MISSING: Kind.MISSING, CycleState.HELD: Kind.HELD}
LOG = "alarms.jsonl"


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


def tell_alarms(site: Site) -> list[Alarm]:
    """Alarms that nobody was told of yet: put into `logs/alarms.jsonl`, and returned for whoever runs this.

    A crash in between tells one twice rather than never.
    """
    with site.lock("alarms", wait=True):
        with site.ledger.reading() as connection:
            alarms = untold(connection)
        if alarms:
            lines = "".join(json.dumps(vars(each), ensure_ascii=False, default=str) + "\n" for each in alarms)
            _append(site.home.logs / LOG, lines.encode())
            with site.ledger.transaction() as connection:
                mark_told(connection, alarms, site.now)
    return alarms


def _append(path: Path, content: bytes) -> None:
    """All of it or nothing: what was written of a line that found the disk full would spoil the next one."""
    with naming_full_disk(str(path)), path.open("ab", buffering=0) as log:
        former = log.tell()
        try:
            if log.write(content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(log.fileno())
        except OSError:
            log.truncate(former)
            raise
