"""Opening the ledger: SQLite in the home directory by default, PostgreSQL by a URL; safe for several processes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Column, Connection, Engine, Integer, Table, create_engine, event, insert, inspect, select, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from pipelines.errors import ConfigurationError, StoreError
from pipelines.ledger.address import checked, place
from pipelines.ledger.away import CONNECT_S, unusable
from pipelines.ledger.session_locks import SessionLocks
from pipelines.ledger.tables import metadata, offering

VERSION = 9  # of the tables: raise it with every change of theirs after a release
# Columns and indexes that came with a version; tables that came with it are made beside. Older ledgers than these are
# not taken up.
_GREW: dict[int, tuple[str, ...]] = {
    3: ("alter table offering add column format_version varchar(4)", "alter table offering add column orphans bigint"),
    4: (),
    5: (),
    6: ("create table cycle_acceptance_5 as select * from cycle_acceptance", "drop table cycle_acceptance"),
    7: ("create table resend_request_6 as select * from resend_request", "drop table resend_request"),
    8: ("create table cycle_acceptance_7 as select * from cycle_acceptance", "drop table cycle_acceptance"),
    9: (
        "drop index offering_by_state",
        "create index offering_by_state on offering (state, acknowledged_at)",
        "create index offering_by_taken_at on offering (taken_at)",
    ),
}
# What is put into tables that were made anew with a version.
_CARRIED: dict[int, tuple[str, ...]] = {
    6: (
        "insert into cycle_acceptance (feed, source, mode, cycle, batches, cause, actor, at) "
        "select feed, source, mode, cycle, batches, cause, actor, at from cycle_acceptance_5",
        "drop table cycle_acceptance_5",
    ),
    7: (
        "insert into resend_request (stem, code, reason, requested_at) "
        "select stem, code, reason, requested_at from resend_request_6 order by request_id",
        "drop table resend_request_6",
    ),
    # Words were about stems: now about the offerings of these that are accepted still, where that is all of them.
    8: (
        "insert into cycle_acceptance (kind, feed, source, mode, cycle, batches, cause, actor, at) "
        "select 'held', a.feed, a.source, a.mode, a.cycle, {joined}(cast(o.offering_id as varchar(20)), ' '), "
        "a.cause, a.actor, a.at from cycle_acceptance_7 as a inner join offering as o "
        "on a.feed = o.feed and a.source = o.source and a.mode = o.mode and a.cycle = o.cycle "
        "where o.state in ('staged', 'loaded', 'superseded') "
        "and replace(' ' || a.batches || ' ', ' ' || o.stem || ' ', '') <> ' ' || a.batches || ' ' "
        "group by a.feed, a.source, a.mode, a.cycle, a.batches, a.cause, a.actor, a.at "
        "having count(*) = length(a.batches) - length(replace(a.batches, ' ', '')) + 1",
        "drop table cycle_acceptance_7",
    ),
}
_PATIENCE_S = 30
_JOINED = {"sqlite": "group_concat", "postgresql": "string_agg"}
_LOCK = int.from_bytes(b"tierline")  # any number, but the same in every process that uses a ledger
_ADVICE = {
    "sqlite": "check its path, rights and free space",
    "postgresql": "check that the server runs and lets this user in (tierline.yaml, keys ledger and ledger_secret)",
}
_WAY_BACK = (
    "put back the copy of ledger and warehouse/ from before the upgrade (docs/engineers/deployment.md, 'Going back')"
)
_NEW_HOME = "set this ledger aside and begin with a new home"
_LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's SQLSTATE

# How a unit begins. What was read in it must still hold when it writes, so writers come one after another, and each
# waits before it reads: on PostgreSQL that also needs READ COMMITTED, whose statements see what was committed while
# it waited. `query_only` is said in both, so that a connection of the pool never keeps what the last unit set.
_WRITING = {
    "sqlite": ("pragma query_only = off", "begin immediate"),
    "postgresql": ("set local lock_timeout = '{patience_s}s'", f"select pg_advisory_xact_lock({_LOCK})"),
}
_READING = {
    "sqlite": ("pragma query_only = on", "begin"),
    "postgresql": ("set transaction isolation level repeatable read, read only",),
}

# Grain: one row, the version of the tables. Ledgers made before it was kept are of version 1.
ledger_version = Table("ledger_version", metadata, Column("version", Integer, primary_key=True, autoincrement=False))


class LedgerStore:
    """A database with the ledger's tables.

    `url` is `sqlite:///PATH` or `postgresql+psycopg://USER@HOST:PORT/DATABASE`, without a password: that is `secret`.
    `patience_s`: how long a transaction waits for those of other processes. `locks`: those that hold wherever the
    ledger is reached from; None for SQLite, which is of one machine. `where`: which one it is, for messages.
    `as_found`: one that an older release made keeps its `version`, to be looked at and no more.
    Raises ConfigurationError for another URL, StoreError where the database cannot be used or its tables are of
    another version.
    """

    def __init__(
        self, url: str | URL, secret: str | None = None, patience_s: int = _PATIENCE_S, *, as_found: bool = False
    ) -> None:
        self._engine = _engine(checked(url), secret, patience_s)
        self._patience_s = patience_s
        self._dialect = self._engine.dialect.name
        self.where = f"the ledger at {place(self._engine.url)}"
        self.locks = None if self._dialect == "sqlite" else SessionLocks(self._engine.url, self.where, CONNECT_S)
        try:
            self.version = self._open(as_found)
        except BaseException:
            self.close()
            raise

    def transaction(self) -> AbstractContextManager[Connection]:
        """One unit that reads and writes, serialised against all others: all of it, or nothing where the block raises.

        Raises StoreError where the database cannot be used, or others were in a transaction all the while;
        LedgerAwayError where its server is away.
        """
        return self._unit(_WRITING[self._dialect])

    def reading(self) -> AbstractContextManager[Connection]:
        """One state of the ledger, from the first query on; waits for nobody and blocks nobody.

        Writing in it raises the database's error. Raises StoreError and LedgerAwayError as `transaction` does.
        """
        return self._unit(_READING[self._dialect])

    def close(self) -> None:
        self._engine.dispose()
        if self.locks:
            self.locks.close()

    @contextmanager
    def _unit(self, beginning: tuple[str, ...]) -> Iterator[Connection]:
        begun = False
        try:
            with self._engine.begin() as connection:
                for statement in beginning:
                    connection.exec_driver_sql(statement.format(patience_s=self._patience_s))
                begun = True
                yield connection
        except DBAPIError as error:
            if begun and not error.connection_invalidated and "disk is full" not in str(error.orig):
                raise
            raise unusable(self._engine, error, f"{self.where}: {self._trouble(error)}, then run it again") from error

    def _trouble(self, error: DBAPIError) -> str:
        if _is_busy(error.orig):
            return f"another process was in a transaction for {self._patience_s} s; let it end, or end it"
        return f"{' '.join(str(error.orig).split())}; {_ADVICE[self._dialect]}"

    def _open(self, as_found: bool) -> int:
        """Make the tables where there are none, or what they lack; whoever finds all waits for no writer."""
        with self.reading() as connection:
            found = _version(connection)
        if found is not None and found + 1 in _GREW and as_found:
            return found
        if found is None or found + 1 in _GREW:
            with self.transaction() as connection:
                found = _grow(connection, _version(connection))  # another process may have been first
        if found != VERSION:
            raise StoreError(
                f"{self.where}: expected tables of version {VERSION}, found version {found}; use the release of "
                f"Tierline that made it, or {_WAY_BACK if found > VERSION else _NEW_HOME}"
            )
        return found


def _grow(connection: Connection, version: int | None) -> int:
    """Bring tables of a version, None where there are none, to what this release expects; returns their version."""
    if version is None:
        metadata.create_all(connection)
        connection.execute(insert(ledger_version).values(version=VERSION))
        return VERSION
    while version + 1 in _GREW:
        version += 1
        for statement in _GREW[version]:
            connection.exec_driver_sql(statement)
        metadata.create_all(connection)
        for statement in _CARRIED.get(version, ()):
            connection.exec_driver_sql(statement.format(joined=_JOINED[connection.dialect.name]))
        connection.execute(update(ledger_version).values(version=version))
    return version


def _version(connection: Connection) -> int | None:
    """The version of the tables there are, None where there are none."""
    tables = inspect(connection)
    if tables.has_table(ledger_version.name):
        version: int = connection.execute(select(ledger_version.c.version)).scalar_one()
        return version
    return 1 if tables.has_table(offering.name) else None


def _engine(url: URL, secret: str | None, patience_s: int) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, patience_s)
    return _postgresql(url, secret)


def _sqlite(url: URL, patience_s: int) -> Engine:
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": patience_s}, max_overflow=-1)
    event.listen(engine, "connect", _sqlite_connect)
    return engine


def _postgresql(url: URL, secret: str | None) -> Engine:
    if "\0" in (secret or ""):  # the driver would pass on what stands before it, and lose host and port
        raise ConfigurationError("tierline.yaml, key ledger_secret: expected a password, found a NUL in it")
    # The ping finds connections that the server, or something between, closed since they were last used.
    return create_engine(
        url if secret is None else url.set(password=secret),
        hide_parameters=True,
        pool_pre_ping=True,
        max_overflow=-1,  # as many as there are threads at work
        isolation_level="READ COMMITTED",
        connect_args={} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_S},
    )


def _sqlite_connect(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, see above
    _write_ahead(connection)
    connection.execute("pragma synchronous = full")
    connection.execute("pragma foreign_keys = on")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Let readers and a writer be at work at once. A new file changes to it once, and does not wait by itself."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _is_busy(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
    return getattr(error, "sqlstate", None) == _LOCK_NOT_AVAILABLE
