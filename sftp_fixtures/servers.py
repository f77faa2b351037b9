"""The demo's own servers, in threads of the process: SFTP by asyncssh, FTP and FTPS by pyftpdlib."""

from __future__ import annotations

import logging
import secrets
import tempfile
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
from pyftpdlib import ioloop  # first: it loads asyncore without the warning that the others would raise
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer

from pipelines.transfer.base import Endpoint
from sftp_fixtures.loops import loop_thread
from sftp_fixtures.ports import DATA_PORTS, free_ports
from sftp_fixtures.tls import Certificate, make_certificate

_USER = "billing"

for _name in ("asyncssh", "pyftpdlib"):  # they report every connection; pyftpdlib even sets up logging by itself
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class _Gate(asyncssh.SSHServer):
    """Lets one user in, by password."""

    def __init__(self, secret: str, log: Path | None) -> None:
        self._secret = secret
        self._log = log

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def abort(self) -> None:
        self._connection.abort()

    def begin_auth(self, username: str) -> bool:
        _note(self._log, f"auth {username}")
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (_USER, self._secret)


@contextmanager
def sftp_server(
    root: Path, log: Path | None = None, files: type[asyncssh.SFTPServer] = asyncssh.SFTPServer
) -> Iterator[Endpoint]:
    """An SFTP server below `root` with a host key and a password of its own; it ends with the block.

    `log` gets a line for every attempt to log in; `files` may be a class that behaves like some producer's server.
    """
    key, port = asyncssh.generate_private_key("ssh-ed25519"), free_ports(1)
    secret, gates = secrets.token_urlsafe(12), list[_Gate]()

    def gate() -> _Gate:
        gates.append(_Gate(secret, log))
        return gates[-1]

    async def listen() -> asyncssh.SSHAcceptor:
        def below_root(channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
            return files(channel, chroot=str(root).encode())

        return await asyncssh.create_server(gate, "127.0.0.1", port, server_host_keys=[key], sftp_factory=below_root)

    async def end(server: asyncssh.SSHAcceptor) -> None:  # on its loop: from here it would race with a connection's end
        server.close()
        for each in gates:
            each.abort()
        await server.wait_closed()

    with loop_thread() as thread:
        server = thread.run(listen())
        host_key = key.export_public_key().decode().strip()
        try:
            yield Endpoint("sftp", "127.0.0.1", port, _USER, "/", secret=secret, host_key=host_key)
        finally:
            thread.run(end(server))


@contextmanager
def ftp_server(root: Path, log: Path | None = None, without: Collection[str] = ()) -> Iterator[Endpoint]:
    """A plain FTP server below `root`; it ends with the block.

    `log` gets the name of every command; `without` are commands that it does not know, as old servers do not.
    """
    secret = secrets.token_urlsafe(12)
    known = {name: command for name, command in FTPHandler.proto_cmds.items() if name not in without}
    with _ftp(FTPHandler, root, secret, log, {"proto_cmds": known}) as port:
        yield Endpoint("ftp", "127.0.0.1", port, _USER, "/", secret=secret)


@contextmanager
def ftps_server(root: Path, log: Path | None = None, certificate: Certificate | None = None) -> Iterator[Endpoint]:
    """An FTP server that demands TLS on both channels, with a new certificate where none is given."""
    secret = secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory() as scratch:
        made = certificate or make_certificate(Path(scratch))
        settings = {
            "certfile": str(made.certificate_file),
            "keyfile": str(made.key_file),
            "tls_control_required": True,
            "tls_data_required": True,
        }
        with _ftp(TLS_FTPHandler, root, secret, log, settings) as port:
            yield Endpoint("ftps", "127.0.0.1", port, _USER, "/", secret=secret, ca_file=str(made.ca_file))


@contextmanager
def _ftp(base: Any, root: Path, secret: str, log: Path | None, settings: dict[str, Any]) -> Iterator[int]:
    authorizer = DummyAuthorizer()
    authorizer.add_user(_USER, secret, str(root), perm="elradfmwMT")
    port = free_ports(1 + DATA_PORTS)

    def pre_process_command(self: Any, line: str, command: str, argument: str) -> None:
        _note(log, command)
        base.pre_process_command(self, line, command, argument)

    settings |= {
        "authorizer": authorizer,
        "passive_ports": range(port + 1, port + 1 + DATA_PORTS),
        "auth_failed_timeout": 0,
        "unicode_errors": "surrogateescape",  # names of any bytes
        "pre_process_command": pre_process_command,
    }
    server = FTPServer(("127.0.0.1", port), type("Handler", (base,), settings), ioloop=ioloop.IOLoop())
    is_over = threading.Event()
    thread = threading.Thread(target=_serve, args=(server, is_over), daemon=True)
    thread.start()
    try:
        yield port
    finally:
        is_over.set()
        thread.join()


def _serve(server: FTPServer, is_over: threading.Event) -> None:
    while not is_over.is_set():
        server.serve_forever(timeout=0.05, blocking=False)
    server.close_all()


def _note(log: Path | None, line: str) -> None:
    if log is not None:
        with log.open("a") as file:
            file.write(f"{line}\n")
