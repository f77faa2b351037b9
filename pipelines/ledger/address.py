"""Where the ledger of a home is: the URL of `tierline.yaml`, looked at before anything is opened."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from pipelines.errors import ConfigurationError

_EXPECTED = "sqlite:///PATH or postgresql+psycopg://USER@HOST:PORT/DATABASE"


def ledger_url(stated: str | None, home: Path) -> URL:
    """The ledger as the key `ledger` states it, a relative path from the home on; without it a file of the home.

    Raises ConfigurationError as `checked` does.
    """
    url = URL.create("sqlite", database="ledger.sqlite") if stated is None else checked(stated)
    if url.get_backend_name() != "sqlite":
        return url
    assert url.database, "checked"
    return url.set(database=str(home.resolve() / url.database))


def checked(url: str | URL) -> URL:
    """A URL of a ledger. Raises ConfigurationError, which never quotes it: there may be a password in what is wrong."""
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, ImportError, ValueError):
        raise _not_a_ledger("something else (not shown, for it may hold a password)") from None
    if parsed.password is not None or any("password" in key for key in parsed.query):
        raise _not_a_ledger("one with a password; put it where the key ledger_secret says")
    driver = (parsed.get_backend_name(), parsed.get_driver_name())
    if driver not in (("sqlite", "pysqlite"), ("postgresql", "psycopg")):
        raise _not_a_ledger(f"{'+'.join(driver)}, with which the ledger was never tried")
    if driver[0] == "sqlite":
        _require_file(parsed, is_cut=isinstance(url, str) and "?" in url)
    return parsed


def _require_file(url: URL, *, is_cut: bool) -> None:
    """`is_cut`: what stands behind a question mark is no part of the path, as a URL is read."""
    if url.host or is_cut:
        raise _not_a_ledger("a host or a question mark in one of SQLite; write three slashes before PATH, %3F for ?")
    if url.database in (None, "", ":memory:"):
        raise _not_a_ledger("no path in one of SQLite")


def place(url: URL) -> str:
    """Where a database is, as messages name it."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    host = url.host or url.query.get("host", "the local socket")
    return f"{host}:{url.port or 5432}/{url.database}, user {url.username}"


def _not_a_ledger(found: str) -> ConfigurationError:
    return ConfigurationError(f"tierline.yaml, key ledger: expected {_EXPECTED}, found {found}")
