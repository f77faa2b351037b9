"""Operators' words that let a cycle through: a full snapshot that E505 held, or failures of what is expected of it.

A word is about the offerings that stood when it was given: their bytes never change. So a replay keeps it, a version
that comes back has its own again, and what is discarded never stands again, whatever its producer sends in its place.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select

from pipelines.ledger.alarms import Kind
from pipelines.ledger.offerings import Change
from pipelines.ledger.tables import cycle_acceptance
from pipelines.names import CycleKey

Words = dict[tuple[CycleKey, frozenset[int]], Change]


def accept_cycle(connection: Connection, kind: Kind, key: CycleKey, standing: Iterable[int], change: Change) -> None:
    """Answer alarms of a kind (held, quality) about a cycle as long as just these offerings stand for it."""
    values = vars(key) | {"kind": kind, "batches": " ".join(map(str, sorted(standing)))}
    same = [cycle_acceptance.c[name] == value for name, value in values.items()]
    connection.execute(delete(cycle_acceptance).where(*same))
    connection.execute(insert(cycle_acceptance).values(values | vars(change)))


def words_of(connection: Connection, kind: Kind) -> Words:
    """Every word that answers alarms of a kind, by the cycle and the offerings that it is about."""
    query = select(cycle_acceptance).where(cycle_acceptance.c.kind == kind)
    return {
        (CycleKey(row.feed, row.source, row.mode, row.cycle), frozenset(map(int, row.batches.split()))): Change(
            row.cause, row.actor, row.at
        )
        for row in connection.execute(query)
    }


def said(word: Change | None) -> str:
    """Who let it through, when and why; empty where nobody did."""
    return f"{word.actor}, {word.at}: {word.cause}" if word else ""
