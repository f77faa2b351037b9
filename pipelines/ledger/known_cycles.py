"""What the ledger knows of cycles: what came of them, what stands, what was taken out; and what these declare."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from pipelines.ledger.offerings import ACCEPTED, STANDING, State
from pipelines.ledger.tables import offering
from pipelines.names import CycleKey


@dataclass
class Known:
    """What the ledger knows of one cycle: versions by SEQ, and declared counts by stem."""

    versions: dict[str, str] = field(default_factory=dict)  # SEQ -> newest version that was accepted or discarded
    standing: dict[str, str] = field(default_factory=dict)  # SEQ -> stem
    offerings: set[int] = field(default_factory=set)  # ids of those standing
    discarded: dict[str, tuple[str, int]] = field(default_factory=dict)  # SEQ -> newest sound version, its records
    records: dict[str, int] = field(default_factory=dict)  # stem -> records as its check file declares
    totals: dict[str, int] = field(default_factory=dict)  # stem -> control total as its trailer declares

    def taken_out(self, named: set[str]) -> int | None:
        """Records declared for these SEQ where the word of an operator took some out; None where it took none."""
        if named <= self.standing.keys() or not named <= self.standing.keys() | self.discarded.keys():
            return None
        return sum(
            self.records[self.standing[seq]] if seq in self.standing else self.discarded[seq][1] for seq in named
        )


def known_cycles(connection: Connection, *conditions: Any) -> dict[CycleKey, Known]:
    """What was offered of each cycle; a discarded batch counts as come: the operator's word closes its gap."""
    columns = (
        "feed", "source", "mode", "cycle", "seq", "version", "stem", "state", "records", "control_total", "code",
        "offering_id",
    )  # fmt: skip
    known: dict[CycleKey, Known] = {}
    query = select(*(offering.c[name] for name in columns)).where(*conditions).order_by(offering.c.offering_id)
    for feed, source, mode, cycle, seq, version, stem, state, records, total, code, number in connection.execute(query):
        here = known.setdefault(CycleKey(feed, source, mode, cycle), Known())
        if state == State.VERIFIED:
            here.records.setdefault(stem, records)
        if state in ACCEPTED or state == State.DISCARDED:
            here.versions[seq] = max(version, here.versions.get(seq, ""))
        if state in STANDING:
            here.standing[seq] = stem
            here.offerings.add(number)
        if state == State.DISCARDED and code is None and records is not None:  # no check had refused it
            here.discarded[seq] = max((version, records), here.discarded.get(seq, ("", 0)))
        if state in ACCEPTED:
            here.records[stem] = records
            if total is not None:
                here.totals[stem] = total
    return known
