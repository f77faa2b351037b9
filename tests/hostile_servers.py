"""Servers that were taken over: they send without end, or hardly anything."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import asyncssh

from pipelines.transfer.base import Endpoint
from pipelines.transfer.sftp_session import Kind, string
from sftp_fixtures.loops import loop_thread

BLOCK = b"x" * (1 << 20)


class EndlessFiles(asyncssh.SFTPServer):
    """Every directory has entries without end, every file is small as listed and has content without end."""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        if path.endswith(b"endless"):
            for number in itertools.count():
                yield asyncssh.SFTPName(b"%d" % number, attrs=asyncssh.SFTPAttrs(permissions=0o100644, size=1))
        async for each in super().scandir(path):
            yield each

    def fstat(self, file_obj: Any) -> asyncssh.SFTPAttrs:
        return asyncssh.SFTPAttrs(permissions=0o100644, size=0)

    def read(self, file_obj: Any, offset: int, size: int) -> bytes:
        return BLOCK[:size]


class _Pages(asyncssh.SSHServerSession[bytes]):
    """SFTP whose entries and contents come as `pages` says; see `sftp`."""

    def __init__(self, pages: Callable[[bytes], Iterator[bytes]]) -> None:
        self._pages = pages
        self._received = b""

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == "sftp"

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._received += data
        while len(self._received) >= 4 and len(self._received) >= (end := 4 + int.from_bytes(self._received[:4])):
            kind, number, self._received = self._received[4], self._received[5:9], self._received[end:]
            answers = {
                Kind.INIT: iter([packet(Kind.VERSION, struct.pack(">I", 3))]),
                Kind.OPENDIR: iter([packet(Kind.HANDLE, number + string(b"h"))]),
                Kind.OPEN: iter([packet(Kind.HANDLE, number + string(b"h"))]),
                Kind.FSTAT: iter([packet(Kind.ATTRS, number + struct.pack(">I", 0))]),
                Kind.READDIR: self._pages(number),
                Kind.READ: self._pages(number),
            }
            self._send(answers.get(Kind(kind), iter([packet(Kind.STATUS, number + struct.pack(">III", 4, 0, 0))])))

    def _send(self, parts: Iterator[bytes]) -> None:
        if not self._channel.is_closing() and (part := next(parts, None)) is not None:
            self._channel.write(part)
            asyncio.get_running_loop().call_later(0.2, self._send, parts)


class _Open(asyncssh.SSHServer):
    """Lets everybody in."""

    def __init__(
        self, pages: Callable[[bytes], Iterator[bytes]], open_ones: list[asyncssh.SSHServerConnection]
    ) -> None:
        self._pages = pages
        self._open_ones = open_ones

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._open_ones.append(conn)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return True

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return _Pages(self._pages)


def packet(kind: int, fields: bytes) -> bytes:
    """A packet of SFTP."""
    return string(bytes([kind]) + fields)


@contextmanager
def sftp(pages: Callable[[bytes], Iterator[bytes]]) -> Iterator[Endpoint]:
    """An SFTP server: `pages` are its answers to a request for entries or content, 0.2 s between them.

    They are given the number of the request.
    """
    key, open_ones = asyncssh.generate_private_key("ssh-ed25519"), list[asyncssh.SSHServerConnection]()

    async def listen() -> asyncssh.SSHAcceptor:
        options = {"server_host_keys": [key], "encoding": None}
        return await asyncssh.create_server(lambda: _Open(pages, open_ones), "127.0.0.1", 0, **options)

    async def end(server: asyncssh.SSHAcceptor) -> None:
        server.close()
        for each in open_ones:
            each.abort()
        await server.wait_closed()

    with loop_thread() as thread:
        server = thread.run(listen())
        host_key = key.export_public_key().decode().strip()
        yield Endpoint("sftp", "127.0.0.1", server.get_port(), "billing", "/", secret="s3cret", host_key=host_key)
        thread.run(end(server))


@contextmanager
def ftp(
    lines: Callable[[str], Iterator[bytes]], data: Callable[[], Iterator[bytes]], address: bytes = b"127,0,0,1"
) -> Iterator[Endpoint]:
    """An FTP server: `lines` are its answers to a command, `data` what every transfer sends.

    `address`: where it says that data connections go; it listens for them at its own.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, lines, data, address), daemon=True).start()
        port = listener.getsockname()[1]
        yield Endpoint("ftp", "127.0.0.1", port, "billing", "/", secret="s3cret", idle_timeout_s=5.0)
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def sound(command: str) -> Iterator[bytes]:
    """The answers of a server to which every file is small."""
    answers = {"USER": b"331 pw", "PASS": b"230 in", "SIZE": b"213 3", "RETR": b"150 here", "MLSD": b"150 here"}
    yield answers.get(command, b"200 ok" if command == "TYPE" else b"502 no") + b"\r\n"


def drip() -> Iterator[bytes]:
    """A byte now and then, so that no idle timeout ends it."""
    while True:
        yield b"x"
        time.sleep(0.2)


def _serve(listener: socket.socket, *how: Any) -> None:
    with suppress(OSError):
        while True:
            control, _ = listener.accept()
            threading.Thread(target=_talk, args=(control, *how), daemon=True).start()


def _talk(control: socket.socket, lines: Any, data: Any, address: bytes) -> None:
    with control, socket.create_server(("127.0.0.1", 0)) as passive, suppress(OSError):
        control.sendall(b"220 ready\r\n")
        for line in control.makefile():
            command = line.split()[0].upper()
            if command == "PASV":
                high, low = divmod(passive.getsockname()[1], 256)
                control.sendall(b"227 ok (%b,%d,%d)\r\n" % (address, high, low))
                continue
            for answer in lines(command):
                control.sendall(answer)
            if command in ("RETR", "MLSD", "LIST"):
                transfer, _ = passive.accept()
                if not answer.startswith(b"150"):
                    transfer.close()
                    continue
                with transfer, suppress(OSError):
                    for block in data():
                        transfer.sendall(block)
                control.sendall(b"226 done\r\n")
