"""Which offering of a stem speaks for the batch, read with the few columns that are shown of all that ever came."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from pipelines.ledger.offerings import ACCEPTED
from pipelines.ledger.tables import offering


class Leading(NamedTuple):
    """What is shown of a batch; `offered_no`: the offering's place among all of its SEQ, 1 the first."""

    stem: str
    feed: str
    source: str
    mode: str
    cycle: str
    seq: str
    version: str
    state: str
    code: str | None
    records: int | None
    loaded: int | None
    rejected: int | None
    taken_at: datetime
    reason: str | None
    offered_no: int


_COLUMNS = [offering.c[name] for name in Leading._fields if name in offering.c]


def leading(connection: Connection, *conditions: Any) -> list[Leading]:
    """One offering a stem, by stem: the accepted one where there is one, else the latest.

    The SQLAlchemy conditions on the table must hold for all offerings of a SEQ or for none.
    """
    by_stem: dict[str, Leading] = {}
    offered: Counter[str] = Counter()
    for row in connection.execute(select(*_COLUMNS).where(*conditions).order_by(offering.c.offering_id)):
        stem, state = row.stem, row.state
        seq = stem.rpartition("_")[0]
        offered[seq] += 1
        present = by_stem.get(stem)
        if present is None or state in ACCEPTED or present.state not in ACCEPTED:
            by_stem[stem] = Leading._make([*row, offered[seq]])
    return [by_stem[stem] for stem in sorted(by_stem)]
