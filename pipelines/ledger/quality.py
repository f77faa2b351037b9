"""What was found of cycles as a whole: their profiles, which later ones are compared with, and each expectation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, String, Subquery, and_, cast, delete, func, insert, or_, select, tuple_, update

from pipelines.ledger.alarms import Kind
from pipelines.ledger.cycle_acceptances import accept_cycle
from pipelines.ledger.offerings import STANDING, Change
from pipelines.ledger.tables import cycle_profile, offering, quality_result
from pipelines.names import CycleKey

_KEY = ("feed", "source", "mode", "cycle")
_KEYS_AT_ONCE = 1_000  # databases bound the parameters of a statement


@dataclass(frozen=True)
class Result:
    """One expectation of one cycle, as it was judged last."""

    key: CycleKey
    measure: str
    observed: float
    least: float | None
    most: float | None
    severity: str
    success: bool
    description: str

    @property
    def is_failure(self) -> bool:
        """Whether it holds publication back until somebody accepts it; a mere warning does not."""
        return self.severity == "fail" and not self.success


@dataclass(frozen=True)
class Profiled:
    """A cycle as it was judged last. `page`: the Data Docs page below the home, if there is one.

    `accepted`: an operator's word by which its failures need not hold a publication back.
    """

    key: CycleKey
    revision: str
    profile: Mapping[str, Any]
    page: str | None
    judged_at: datetime
    accepted: Change | None


_RESULT_COLUMNS = [quality_result.c[field.name] for field in fields(Result) if field.name != "key"]


def revisions(connection: Connection, now: datetime, watch_days: int) -> dict[CycleKey, str]:
    """The cycles that were not judged as they stand now, each with a short text that tells how it stands.

    Which batches stand, and how often each was staged. Of those that were never judged, only the ones that anything was
    taken of in the last `watch_days` before `now`: a ledger may be older than judging.
    """
    standing = _standing()
    same = [standing.c[name] == cycle_profile.c[name] for name in _KEY]
    is_new = cycle_profile.c.revision.is_(None) & (standing.c.taken_at >= now - timedelta(days=watch_days))
    changed = (
        select(standing)
        .outerjoin_from(standing, cycle_profile, onclause=and_(*same))
        .where(or_(is_new, cycle_profile.c.revision != standing.c.revision))
    )
    return {CycleKey(*row[:4]): row[4] for row in connection.execute(changed)}


def _standing(*conditions: Any) -> Subquery:
    """Cycles of which anything stands, each with its revision and when its latest batch was taken."""
    # Ids are never used again, so that no two sets of batches have the same count, sum and greatest by mere chance.
    numbers = (func.count(), *(each(offering.c.offering_id) for each in (func.sum, func.max)))
    count, total, greatest, staged = (cast(each, String) for each in (*numbers, func.sum(offering.c.staged_count)))
    revision = count + "." + total + "." + greatest + "." + staged
    key = [offering.c[name] for name in _KEY]
    columns = (*key, revision.label("revision"), func.max(offering.c.taken_at).label("taken_at"))
    return select(*columns).where(offering.c.state.in_(STANDING), *conditions).group_by(*key).subquery()


def profiles(connection: Connection, keys: Iterable[CycleKey]) -> dict[CycleKey, Profiled]:
    """Those of these cycles that were judged."""
    wanted = [tuple(vars(key).values()) for key in keys]
    found = {}
    for start in range(0, len(wanted), _KEYS_AT_ONCE):
        within = tuple_(*(cycle_profile.c[name] for name in _KEY)).in_(wanted[start : start + _KEYS_AT_ONCE])
        for row in connection.execute(select(cycle_profile).where(within)):
            key = CycleKey(row.feed, row.source, row.mode, row.cycle)
            word = Change(row.accepted, row.accepted_by, row.accepted_at) if row.accepted is not None else None
            found[key] = Profiled(key, row.revision, json.loads(row.profile), row.page, row.judged_at, word)
    return found


def note_judged(connection: Connection, profiled: Profiled, found: Iterable[Result]) -> None:
    """Keep what was found of a cycle in place of what was found before."""
    _forget(connection, profiled.key)
    values = {"revision": profiled.revision, "page": profiled.page, "judged_at": profiled.judged_at}
    values |= _accepted(profiled.accepted) if profiled.accepted else {}
    connection.execute(
        insert(cycle_profile).values(vars(profiled.key) | values | {"profile": json.dumps(profiled.profile)})
    )
    if rows := [vars(each.key) | {name.name: getattr(each, name.name) for name in _RESULT_COLUMNS} for each in found]:
        connection.execute(insert(quality_result), rows)


def results(connection: Connection, *conditions: Any) -> list[Result]:
    """Expectations that meet SQLAlchemy conditions on the table, by cycle and in the order of their names."""
    query = select(quality_result).where(*conditions).order_by(*(quality_result.c[name] for name in (*_KEY, "measure")))
    return [
        Result(
            CycleKey(row.feed, row.source, row.mode, row.cycle), *(row._mapping[each.name] for each in _RESULT_COLUMNS)
        )
        for row in connection.execute(query)
    ]


def holding(connection: Connection) -> list[Result]:
    """Failures, not mere warnings, that nobody accepted: while there are any, nothing is published."""
    same = [quality_result.c[name] == cycle_profile.c[name] for name in _KEY]
    is_open = select(cycle_profile.c.cycle).where(*same, cycle_profile.c.accepted.is_(None)).exists()
    return results(connection, quality_result.c.severity == "fail", quality_result.c.success.is_(False), is_open)


def accept(connection: Connection, key: CycleKey, change: Change) -> None:
    """Let a cycle's failures hold nothing back as long as just the batches stand for it that were judged."""
    connection.execute(update(cycle_profile).where(*_same(cycle_profile, key)).values(**_accepted(change)))
    standing = _standing(*_same(offering, key))
    judged = select(cycle_profile.c.revision).where(*_same(cycle_profile, key))
    if connection.execute(select(standing.c.revision)).scalar() == connection.execute(judged).scalar():
        ids = select(offering.c.offering_id).where(*_same(offering, key), offering.c.state.in_(STANDING))
        accept_cycle(connection, Kind.QUALITY, key, connection.execute(ids).scalars(), change)


def _accepted(word: Change) -> dict[str, Any]:
    return {"accepted": word.cause, "accepted_by": word.actor, "accepted_at": word.at}


def forget_without(connection: Connection) -> list[CycleKey]:
    """Drop what was found of cycles of which nothing stands any more; returns these."""
    same = [offering.c[name] == cycle_profile.c[name] for name in _KEY]
    stands = select(offering.c.offering_id).where(*same, offering.c.state.in_(STANDING)).exists()
    query = select(*(cycle_profile.c[name] for name in _KEY)).where(~stands)
    gone = [CycleKey(*row) for row in connection.execute(query).all()]
    for key in gone:
        _forget(connection, key)
    return gone


def _forget(connection: Connection, key: CycleKey) -> None:
    for table in (cycle_profile, quality_result):
        connection.execute(delete(table).where(*_same(table, key)))


def _same(table: Any, key: CycleKey) -> list[Any]:
    return [table.c[name] == value for name, value in vars(key).items()]
