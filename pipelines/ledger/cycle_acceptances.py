"""Full snapshots that E505 held and an operator let through."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select

from pipelines.ledger.offerings import Change
from pipelines.ledger.tables import cycle_acceptance
from pipelines.names import CycleKey


def accept_cycle(connection: Connection, key: CycleKey, standing: Iterable[str], change: Change) -> None:
    """Let a cycle's endings through as long as just these stems stand for it."""
    values = vars(key) | {"batches": " ".join(standing)}
    same = [cycle_acceptance.c[name] == value for name, value in values.items()]
    connection.execute(delete(cycle_acceptance).where(*same))
    connection.execute(insert(cycle_acceptance).values(values | vars(change)))


def accepted_cycles(connection: Connection) -> dict[CycleKey, set[tuple[str, ...]]]:
    """For every cycle that was let through, the stems that stood when it was."""
    found: dict[CycleKey, set[tuple[str, ...]]] = defaultdict(set)
    for row in connection.execute(select(cycle_acceptance)):
        found[CycleKey(row.feed, row.source, row.mode, row.cycle)].add(tuple(row.batches.split()))
    return found
