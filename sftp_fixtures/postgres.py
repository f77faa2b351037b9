"""PostgreSQL, a server of one's own: a new cluster in a scratch directory, on a free port of this machine."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from sftp_fixtures.daemons import program
from sftp_fixtures.ports import free_ports

_OWNER = "tierline"  # logs in by password
_TRUSTED = "trusted"  # logs in without one, for what cannot be told a password
_ACCOUNT = "postgres"  # of this machine; the server refuses to run as root
_CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{scratch}'
fsync = {fsync}
log_connections = on
"""
_WHO_MAY = f"""
host all {_TRUSTED} 127.0.0.1/32 trust
host all {_OWNER} 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True)
class Postgres:
    """A running server. Its databases belong to two users: one with `secret` as password, one without any."""

    port: int
    scratch: Path
    secret: str

    def new_database(self) -> str:
        """Make an empty database; its name."""
        name = f"ledger_{secrets.token_hex(6)}"
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {name}")
        return name

    def url(self, database: str) -> str:
        """The database for the user with the password; the password is not in it."""
        return f"postgresql+psycopg://{_OWNER}@127.0.0.1:{self.port}/{database}"

    def trusted_url(self, database: str) -> str:
        """The database for the user who needs no password."""
        return f"postgresql+psycopg://{_TRUSTED}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        _run("pg_ctl", "start", "-w", "-D", self.scratch / "data", "-l", self.scratch / "log", scratch=self.scratch)

    def stop(self) -> None:
        """Stop at once, whoever is connected."""
        _run("pg_ctl", "stop", "-w", "-m", "fast", "-D", self.scratch / "data", scratch=self.scratch)

    def _conninfo(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user={_OWNER} password={self.secret} dbname={database}"


@contextmanager
def postgres_server(durable: bool = False) -> Iterator[Postgres]:
    """A new PostgreSQL server; it ends with the block, and everything in it is gone.

    `durable` makes every commit reach the disk, as where it is not a test. Raises RuntimeError where the server is
    not installed or does not start.
    """
    with tempfile.TemporaryDirectory(prefix="tierline-pg-") as scratch_name:
        server = Postgres(free_ports(1), Path(scratch_name), secrets.token_urlsafe(12))
        _prepare(server, durable)
        server.start()
        try:
            with psycopg.connect(server._conninfo("postgres"), autocommit=True) as connection:
                connection.execute(f"create role {_TRUSTED} superuser login")
            yield server
        finally:
            server.stop()


def _prepare(server: Postgres, durable: bool) -> None:
    data, password = server.scratch / "data", server.scratch / "password"
    password.write_text(server.secret)
    if _is_root():
        for path in (server.scratch, password):
            shutil.chown(path, _ACCOUNT)
    _run(
        "initdb", "-D", data, "-U", _OWNER, "--pwfile", password, "--auth", "scram-sha-256",
        "--encoding", "UTF8", "--no-locale", "--no-sync", scratch=server.scratch,
    )  # fmt: skip
    settings = _CONFIGURATION.format(port=server.port, scratch=server.scratch, fsync="on" if durable else "off")
    (data / "postgresql.conf").write_text(settings)
    (data / "pg_hba.conf").write_text(_WHO_MAY)


def _run(name: str, *arguments: str | Path, scratch: Path) -> None:
    """Run one of PostgreSQL's programs, as its account where we are root; RuntimeError with what it said."""
    command = [_program(name), *map(str, arguments)]
    account = _ACCOUNT if _is_root() else None
    groups: list[str] | None = [] if account else None
    with (scratch / "output").open("w+") as output:  # no pipe: the server would keep it open
        ran = subprocess.run(
            command, stdout=output, stderr=output, cwd=scratch, check=False, timeout=60,
            user=account, group=account, extra_groups=groups,
        )  # fmt: skip
        output.seek(0)
        said = output.read()
    if ran.returncode:
        log = scratch / "log"
        raise RuntimeError(f"{name} failed with {ran.returncode}: {said}{log.read_text() if log.exists() else ''}")


def _is_root() -> bool:
    return os.getuid() == 0


def _program(name: str) -> str:
    """Debian keeps the programs of each major version apart; the newest is taken."""
    found = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(found, key=lambda path: int(re.sub(r"\D", "", path.parts[-3])), default=None)
    return str(newest) if newest else program(name)
