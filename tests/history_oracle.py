"""A slow and obvious reading of how the history of subscribers comes about; shares nothing with the SQL models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

ATTRIBUTES = ("customer_id", "service_number", "plan_code", "status", "status_time", "close_date", "balance_fen")
_STATUS = {"02": "9", "14": "9", "03": "2", "04": "3", "05": "4", "06": "1"}
_COLUMN = {"07": "customer_id", "08": "service_number", "10": "plan_code"}


@dataclass(frozen=True)
class Record:
    """One USER record as a batch brings it."""

    user_id: str
    op: str
    op_time: datetime
    cycle: str
    cycle_end: datetime
    mode: str
    source: str
    seq: str
    line: int
    state: tuple[object, ...]  # of ATTRIBUTES


@dataclass(frozen=True)
class Change:
    """One CHNG event that is current."""

    change_id: str
    user_id: str
    change_type: str
    effective_at: datetime
    new_value: str | None


@dataclass(frozen=True)
class Snapshot:
    """A complete full snapshot."""

    source: str
    cycle: str
    ends_at: datetime


Period = tuple[str, datetime, datetime | None, dict[str, object]]


def history(records: list[Record], changes: list[Change], snapshots: list[Snapshot]) -> list[Period]:
    """Periods of all subscribers, sorted by key and valid_from."""
    periods: list[Period] = []
    for user in sorted({record.user_id for record in records}):
        mine = [record for record in records if record.user_id == user]
        steps = [((_at(each), 0, each.cycle, each.mode, each.source, each.seq, each.line, ""), each) for each in mine]
        for snapshot in snapshots:
            sent = [each.source for each in mine]
            in_it = [e for e in mine if (e.mode, e.source, e.cycle) == ("F", snapshot.source, snapshot.cycle)]
            if snapshot.source in sent and not in_it:
                steps.append(((snapshot.ends_at, 0, snapshot.cycle, "F", snapshot.source, "", 0, ""), snapshot))
        for change in changes:
            if change.user_id == user:
                steps.append(((change.effective_at, 1, "", "", "", "", 0, change.change_id), change))
        periods += _fold(user, sorted(steps, key=lambda step: step[0]))
    return periods


def _at(record: Record) -> datetime:
    return record.cycle_end if record.mode == "F" else record.op_time


def _fold(user: str, steps: list[tuple[tuple[object, ...], object]]) -> list[Period]:
    state: dict[str, object] | None = None
    moments: list[tuple[datetime, dict[str, object] | None]] = []
    for place, step in steps:
        state = _after(state, step)
        moment = place[0]
        if moments and moments[-1][0] == moment:
            moments.pop()
        moments.append((moment, state))
    periods: list[Period] = []
    before: dict[str, object] | None = None
    for moment, now in moments:
        if now == before:
            continue
        if before is not None:
            _, begun, _, held = periods.pop()
            periods.append((user, begun, moment, held))
        if now is not None:
            periods.append((user, moment, None, now))
        before = now
    return periods


def _after(state: dict[str, object] | None, step: object) -> dict[str, object] | None:
    if isinstance(step, Record):
        if step.op == "D":
            return None
        return dict(zip(ATTRIBUTES, step.state, strict=True)) | {"source": step.source}
    if state is None:
        return None
    if isinstance(step, Snapshot):
        return None if state["source"] == step.source and state["status"] != "9" else state
    assert isinstance(step, Change)
    if step.change_type in _STATUS:
        status = _STATUS[step.change_type]
        closed = step.effective_at.date() if status == "9" else None
        return state | {"status": status, "status_time": step.effective_at, "close_date": closed}
    if step.change_type in _COLUMN:
        return state | {_COLUMN[step.change_type]: step.new_value}
    return state
