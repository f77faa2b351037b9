"""Locks that hold on every machine that reaches the ledger: PostgreSQL's advisory ones, each of a session of its own.

A session holds the locks of one `with` block and nothing else, so two threads of a process exclude each other as two
machines do. They end with the session, that is with the process; PostgreSQL is told to look after silent machines, so
those of a machine that is gone end within a minute. They are names within a database: one ledger, one database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from pipelines.errors import StoreError
from pipelines.ledger.away import unusable

# Of a machine that was lost, or cut off, both sides hear within 30 + 3 × 10 s; firewalls see that a quiet line is used.
_IDLE_S, _INTERVAL_S, _COUNT = 30, 10, 3
_KEPT_ALIVE = {"keepalives_idle": _IDLE_S, "keepalives_interval": _INTERVAL_S, "keepalives_count": _COUNT}
_SESSION = {
    "tcp_keepalives_idle": f"{_IDLE_S}",
    "tcp_keepalives_interval": f"{_INTERVAL_S}",
    "tcp_keepalives_count": f"{_COUNT}",
    "client_connection_check_interval": "10s",  # of one that waits for a lock too
    # Whoever holds a lock says nothing for as long as its work takes, and another waits as long: neither is an error.
    "idle_session_timeout": "0",
    "statement_timeout": "0",
    "lock_timeout": "0",
}
_SET = (
    "select set_config(wanted.name, wanted.value, false) from unnest(%s::text[], %s::text[]) as wanted (name, value) "
    "join pg_settings on pg_settings.name = wanted.name"  # older servers do not know all of them
)
# In the order of the array, which is the same for all: no two wait for each other.
_WAIT = text("select pg_advisory_lock(number) from unnest(cast(:numbers as bigint[])) as number")
# Who does not get the first takes none: else two who try the same at the same moment would each keep the other off.
_TRY = text(
    "select case when pg_try_advisory_lock(:first) then (select coalesce(bool_and(pg_try_advisory_lock(number)), true) "
    "from unnest(cast(:others as bigint[])) as number) else false end"
)
_RELEASE = text("select pg_advisory_unlock_all()")


class SessionLocks:
    """Advisory locks in the database at `url`, which holds its password; messages name it as `where`.

    Raises StoreError where the database cannot be used, LedgerAwayError where its server is away.
    """

    def __init__(self, url: URL, where: str, connect_timeout_s: int) -> None:
        options = {"connect_timeout": connect_timeout_s, **_KEPT_ALIVE}
        self._where = where
        self._engine = create_engine(  # apart from the ledger's, whose connections work in transactions
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            max_overflow=-1,
            isolation_level="AUTOCOMMIT",  # a transaction held for as long as a check takes would keep vacuum from all
            connect_args={name: value for name, value in options.items() if name not in url.query},
        )
        event.listen(self._engine, "connect", _begin_session)

    @contextmanager
    def hold(self, names: Iterable[str], *, wait: bool) -> Iterator[bool]:
        """Hold all locks of these names, or none where another session has one: False. See `pipelines.locks.Locks`."""
        try:
            connection = self._engine.connect()
        except DBAPIError as error:
            raise self._trouble(error) from error
        try:
            yield self._take(connection, sorted(map(_number, names)), wait=wait)
        finally:
            _release(connection)

    def names_of(self, stems: Iterable[str]) -> set[str]:
        """A lock a batch: nothing is left over of one, and two groups of batches do not meet by chance."""
        return {f"check-{stem}" for stem in stems}

    def close(self) -> None:
        self._engine.dispose()

    def _take(self, connection: Connection, numbers: list[int], *, wait: bool) -> bool:
        try:
            if wait:
                connection.execute(_WAIT, {"numbers": numbers}).all()
                return True
            has_all = bool(connection.execute(_TRY, {"first": numbers[0], "others": numbers[1:]}).scalar_one())
            if not has_all:
                connection.execute(_RELEASE)
            return has_all
        except DBAPIError as error:
            raise self._trouble(error) from error

    def _trouble(self, error: DBAPIError) -> StoreError:
        said = " ".join(str(error.orig).split())
        return unusable(self._engine, error, f"{self._where}: no lock: {said}; run it again")


def _begin_session(connection: Any, _: Any) -> None:
    connection.execute(_SET, (list(_SESSION), list(_SESSION.values())))
    connection.commit()


def _release(connection: Connection) -> None:
    """Nothing stays locked: a session that cannot say so ends."""
    try:
        connection.execute(_RELEASE)
    except DBAPIError:
        connection.invalidate()
    finally:
        connection.close()


def _number(name: str) -> int:
    """The key of a lock, the same in every process: PostgreSQL's are signed numbers of 64 bits."""
    return int.from_bytes(hashlib.sha256(f"tierline {name}".encode()).digest()[:8], signed=True)
