"""What the rows of a cycle come to, as the ledger keeps it for later cycles to be compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Profile:
    """The aggregates of one cycle's loaded rows; no value of any row but codes. Amounts are fen.

    `missing`, `distinct`, `codes` and `orphans` are by column; `distinct` is right to a few percent. An orphan is a
    value of a foreign key that core held no record of when this was counted.
    """

    rows: int
    total: int | None  # of the control column
    missing: dict[str, int]
    distinct: dict[str, int]
    codes: dict[str, dict[str, int]]
    newest_at: str | None  # the newest event time, ISO, Asia/Shanghai
    orphans: dict[str, int] = field(default_factory=dict)

    @property
    def newest(self) -> datetime | None:
        return None if self.newest_at is None else datetime.fromisoformat(self.newest_at)
