"""Whether the ledger's server is away, which passes by itself, or refuses us, which is for people to mend."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from pipelines.errors import LedgerAwayError, StoreError

CONNECT_S = 10


def unusable(engine: Engine, error: DBAPIError, message: str) -> StoreError:
    """What to raise for an error of the database: LedgerAwayError where its server is down, stops or broke off."""
    return LedgerAwayError(message) if error.connection_invalidated or _is_away(engine, error) else StoreError(message)


def _is_away(engine: Engine, error: DBAPIError) -> bool:
    """Whether there was no connection, and the server lets nobody in.

    A failed connection says why in words only, of the server's language; a ping tells in any, and needs no password.
    """
    if engine.dialect.name != "postgresql" or getattr(error.orig, "sqlstate", None) is not None:
        return False
    from psycopg.conninfo import make_conninfo  # here: whose ledger is SQLite never needs them
    from psycopg.pq import PGconn, Ping

    _, stated = engine.dialect.create_connect_args(engine.url)
    place = {name: stated[name] for name in ("host", "hostaddr", "port") if name in stated}
    conninfo = make_conninfo(**place, connect_timeout=CONNECT_S)
    return PGconn.ping(conninfo.encode()) in (Ping.REJECT, Ping.NO_RESPONSE)
