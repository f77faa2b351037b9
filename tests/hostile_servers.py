"""Servers that were taken over: they send without end, or hardly anything."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import asyncssh

from pipelines.transfer.base import Endpoint

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
            if command in ("RETR", "MLSD"):
                transfer, _ = passive.accept()
                with transfer, suppress(OSError):
                    for block in data():
                        transfer.sendall(block)
                control.sendall(b"226 done\r\n")
