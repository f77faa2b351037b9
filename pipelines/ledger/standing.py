"""Which version of a SEQ stands: what is accepted, what it replaces, and what comes back when it is discarded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, select

from pipelines.ledger.alarms import Kind, clear_alarm
from pipelines.ledger.offerings import (
    ACCEPTED,
    ON_ITS_WAY,
    STANDING,
    Change,
    Move,
    Offering,
    State,
    find,
    move,
    move_all,
)
from pipelines.ledger.tables import offering
from pipelines.names import BatchName

_SEQ = ("feed", "source", "mode", "cycle", "seq")  # what the versions of a file share


def accept(connection: Connection, candidate: Offering, change: Change, **values: Any) -> State:
    """Let a batch stand for its SEQ: older versions become superseded; where a newer one stands it is stale (E504).

    Decided within the caller's transaction, so that whatever the order of two versions the newest stands.
    """
    rivals = find(connection, *_same_seq(candidate), offering.c.state.in_(ACCEPTED))
    rivals = [rival for rival in rivals if rival.offering_id != candidate.offering_id]
    if newer := [rival for rival in rivals if rival.version > candidate.version]:
        reason = f"version {newer[-1].version} of this SEQ was accepted before"
        stale = {"code": "E504", "reason": reason, "loaded": 0, "rejected": 0}
        move(connection, candidate.offering_id, State.SUPERSEDED, change, **(values | stale))
        return State.SUPERSEDED
    answered = (offering.c.state == State.REFUSED) & (offering.c.version <= candidate.version)
    for refused in find(connection, *_same_seq(candidate), answered):
        clear_alarm(connection, Kind.REFUSED, refused.stem, change.at)  # this is the producer's answer to it
    for older in rivals:
        if older.state in STANDING:
            cause = f"replaced by version {candidate.version}"
            move(connection, older.offering_id, State.SUPERSEDED, Change(cause, change.actor, change.at))
    move(connection, candidate.offering_id, State.STAGED, change, **(values | _staged(candidate)))
    return State.STAGED


@dataclass(frozen=True)
class Candidacy:
    """A batch that is to stand, what is said of it, and what is noted with it."""

    candidate: Offering
    change: Change
    values: dict[str, Any]


def accept_all(connection: Connection, candidacies: list[Candidacy]) -> set[str]:
    """As `accept`, of many: those whose SEQ nobody else ever claimed together, the others in turn.

    Returns the stems that were stale.
    """
    claims = Counter(_seq(each) for each in find(connection, *_within_seqs([each.candidate for each in candidacies])))
    alone = [each for each in candidacies if claims[_seq(each.candidate)] == 1]
    move_all(
        connection,
        [
            Move(each.candidate.offering_id, State.STAGED, each.change, each.values | _staged(each.candidate))
            for each in alone
        ],
    )
    contested = [each for each in candidacies if claims[_seq(each.candidate)] > 1]
    states = {each.candidate.stem: accept(connection, each.candidate, each.change, **each.values) for each in contested}
    return {stem for stem, state in states.items() if state is State.SUPERSEDED}


def _staged(candidate: Offering) -> dict[str, Any]:
    return {"staged_count": candidate.staged_count + 1}


@dataclass(frozen=True)
class StandingStem:
    """The little that tells whether a batch that stands is in core in its latest form."""

    offering_id: int
    stem: str
    digest: str
    staged_count: int
    state: State

    @property
    def revision(self) -> str:
        """A replay stages the same bytes anew."""
        return f"{self.digest}#{self.staged_count}"


def standing_stems(connection: Connection) -> list[StandingStem]:
    """Every batch that stands."""
    columns = [offering.c[name.name] for name in fields(StandingStem)]
    rows = connection.execute(select(*columns).where(offering.c.state.in_(STANDING)))
    return [StandingStem(number, stem, digest, count, State(state)) for number, stem, digest, count, state in rows]


def never_stood(connection: Connection, stems: set[str]) -> list[str]:
    """Those of these batches that this ledger never let stand, sorted; whatever ends a batch leaves its offerings."""
    if not stems:
        return []
    return sorted(
        stems.difference(connection.execute(select(offering.c.stem).where(offering.c.staged_count > 0)).scalars())
    )


class Accepted:
    """What was accepted of some SEQ, read at once: one that was stale (E504) counts."""

    def __init__(self, connection: Connection, names: Iterable[BatchName]) -> None:
        self._of_seq: dict[tuple[str, ...], list[Offering]] = {}
        for each in find(connection, *_within_seqs(names), offering.c.state.in_(ACCEPTED)):
            self._of_seq.setdefault(_seq(each), []).append(each)

    def newest(self, name: BatchName) -> Offering | None:
        """The accepted offering of a SEQ with the greatest version, if any."""
        found = self._of_seq.get(_seq(name), [])
        return max(found, key=lambda each: (each.version, each.offering_id), default=None)

    def of_stem(self, name: BatchName) -> Offering | None:
        """The accepted offering of exactly this stem, if any."""
        found = [each for each in self._of_seq.get(_seq(name), []) if each.version == name.version]
        return found[-1] if found else None


def bring_back(connection: Connection, name: Offering | BatchName, change: Change) -> Offering | None:
    """Where nothing stands for a SEQ or waits for the judge, let its newest superseded version be judged again.

    One whose bytes were deleted after the retention is not judged: its staged rows come back, where they are whole.

    So it is after an operator discarded the version that stood, and after one that came back was refused (file
    interface, section 6). Returns the version that comes back, if any.
    """
    same = find(connection, *_same_seq(name))
    coming = {each.stem for each in same if each.state in ON_ITS_WAY}  # judged first; then this is asked again
    former = [each for each in same if each.state is State.SUPERSEDED and each.stem not in coming]
    if not former or any(each.state in (*STANDING, State.VERIFIED) for each in same):
        return None
    newest = max(former, key=lambda each: (each.version, each.offering_id))
    move(
        connection, newest.offering_id, State.VERIFIED, change,
        code=None, reason=None, judged_at=None, acknowledged_at=None,
    )  # fmt: skip
    return newest


def _seq(name: Offering | BatchName) -> tuple[str, ...]:
    return tuple(getattr(name, part) for part in _SEQ)


def _within_seqs(names: Iterable[Offering | BatchName]) -> list[Any]:
    """Conditions that the offerings of these SEQs meet, and few others."""
    names = list(names)
    return [offering.c[part].in_({getattr(name, part) for name in names}) for part in _SEQ]


def _same_seq(name: Offering | BatchName) -> list[Any]:
    return [offering.c[part] == getattr(name, part) for part in _SEQ]
