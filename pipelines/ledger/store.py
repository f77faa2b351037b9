"""Opening the ledger: SQLite in the home directory by default, PostgreSQL by a URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DatabaseError

from pipelines.errors import ConfigurationError, StoreError
from pipelines.ledger.tables import metadata

_BUSY_S = 30


class LedgerStore:
    """A database with the ledger's tables; every `transaction` is one unit, serialised against other processes."""

    def __init__(self, url: str) -> None:
        try:
            self._engine: Engine = create_engine(url)
        except (ArgumentError, ImportError) as error:
            raise ConfigurationError(
                f"tierline.yaml, key ledger: expected the URL of a database whose driver is installed, found: {error}"
            ) from error
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _sqlite_connect)
            event.listen(self._engine, "begin", _sqlite_begin)
        try:
            metadata.create_all(self._engine)
        except DatabaseError as error:
            raise StoreError(f"the ledger cannot be opened: {error.orig}; check its path and rights") from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction: all of it, or nothing where the block raises."""
        with self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()


def _sqlite_connect(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, see below
    connection.execute(f"pragma busy_timeout = {_BUSY_S * 1000}")
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma foreign_keys = on")


def _sqlite_begin(connection: Connection) -> None:
    # Immediate: a transaction that reads and then writes must not find that another wrote in between.
    connection.exec_driver_sql("begin immediate")
