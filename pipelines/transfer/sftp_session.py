"""SFTP version 3 over a channel: numbered requests that are sent ahead and answered in any order.

paramiko's own client stops at the first name that is not UTF-8, and its prefetch holds requests and data of a whole
file; here a window of requests is under way, so memory is bounded and a long line is still kept full.
"""

from __future__ import annotations

import struct
import time
from enum import IntEnum

import paramiko

from pipelines.transfer.base import GRACE

_RECEIVE = 4 * 1024 * 1024  # bytes taken from the channel at once: its buffer is emptied, not shifted
_LARGEST_PACKET = 1024 * 1024
_OK = 0


class Kind(IntEnum):
    """Requests and answers of the protocol, as far as they are used here."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    STAT = 17
    RENAME = 18
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200


class StatusError(Exception):
    """The server's no: `code` as in the protocol (2 no such file, 3 permission denied, 4 failure, 8 unsupported)."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text or f"status {code}")
        self.code = code


class SessionError(Exception):
    """The server says what is no SFTP; the session is of no more use."""


class SessionLostError(SessionError):
    """The connection broke off."""


class SessionStalledError(SessionLostError):
    """Nothing came from the server, or nothing more was taken by it, within the channel's timeout."""


class Fields:
    """Reads the fields of an answer one after the other."""

    def __init__(self, content: memoryview) -> None:
        self.rest = content

    def take(self, count: int) -> memoryview:
        if count > len(self.rest):
            raise SessionError("the server's answer ends in the middle of a field")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def number(self, width: int = 4) -> int:
        return int.from_bytes(self.take(width), "big")

    def string(self) -> bytes:
        return bytes(self.take(self.number()))

    def size_and_mode(self) -> tuple[int | None, int | None]:
        """A file's attributes; None where the server does not say."""
        flags = self.number()
        size = self.number(8) if flags & 0x1 else None
        self.take(8 if flags & 0x2 else 0)
        mode = self.number() if flags & 0x4 else None
        self.take(8 if flags & 0x8 else 0)
        for _ in range(2 * self.number() if flags & 0x80000000 else 0):
            self.string()
        return size, mode


def string(content: bytes) -> bytes:
    """A string as a field: its length before it."""
    return struct.pack(">I", len(content)) + content


class SftpSession:
    """Sends requests over a channel and takes their answers; every method may raise StatusError or SessionError.

    The channel's timeout is how long nothing may come, or be taken.
    """

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._idle_s = channel.gettimeout() or float("inf")
        self._received = memoryview(b"")
        self._number = 0
        self._answers: dict[int, tuple[int, Fields] | None] = {}  # None: awaited
        self.is_lost = False
        self._send(Kind.INIT, struct.pack(">I", 3))
        kind, fields = self._packet()
        if kind != Kind.VERSION:
            raise self._nonsense("the server's first answer is not SFTP")
        fields.number()
        self.extensions = set()
        while fields.rest:
            self.extensions.add(fields.string())
            fields.string()

    def ask(self, kind: Kind, fields: bytes) -> int:
        """Send a request; its number, for `answer` or `forget`."""
        self._number += 1
        self._send(kind, struct.pack(">I", self._number) + fields)
        self._answers[self._number] = None
        return self._number

    def forget(self, *numbers: int) -> None:
        """Pass over the answers to these requests, come or to come."""
        for number in numbers:
            self._answers.pop(number, None)

    def answer(self, number: int) -> Fields:
        """Wait for the answer to a request; StatusError where it is a no."""
        until = self.deadline()
        while (found := self._answers[number]) is None:
            kind, fields = self._packet()
            if time.monotonic() > until:  # packets come, but never the one that is due
                raise self.overrun("an answer did not come among others")
            answered = fields.number()
            if answered in self._answers:
                self._answers[answered] = kind, fields
        del self._answers[number]
        kind, fields = found
        if kind == Kind.STATUS and (code := fields.number()) != _OK:
            raise StatusError(code, fields.string().decode("utf-8", "replace") if fields.rest else "")
        return fields

    def deadline(self) -> float:
        """Until when, by time.monotonic, what begins now may take: a server can be slow though it is never idle."""
        return time.monotonic() + GRACE * self._idle_s

    def call(self, kind: Kind, fields: bytes) -> Fields:
        """Send a request and wait for its answer."""
        return self.answer(self.ask(kind, fields))

    def _send(self, kind: Kind, content: bytes) -> None:
        began = time.monotonic()
        try:
            self._channel.sendall(struct.pack(">IB", len(content) + 1, kind) + content)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(began) from error

    def _packet(self) -> tuple[int, Fields]:
        size = int.from_bytes(self._exactly(4), "big")
        if not 5 <= size <= _LARGEST_PACKET:
            raise self._nonsense(f"the server announces a packet of {size} bytes, which is no SFTP")
        packet = self._exactly(size)
        return packet[0], Fields(packet[1:])

    def _exactly(self, count: int) -> memoryview:
        parts: list[memoryview] = []
        until = self.deadline()
        while count > len(self._received):
            if time.monotonic() > until:
                raise self.overrun("a packet did not come to its end")
            parts.append(self._received)
            count -= len(self._received)
            self._received = memoryview(self._receive())
        taken, self._received = self._received[:count], self._received[count:]
        return memoryview(b"".join([*parts, taken])) if parts else taken

    def _receive(self) -> bytes:
        began = time.monotonic()
        try:
            received = self._channel.recv(_RECEIVE)
        except TimeoutError as error:
            raise self._lost(began) from error
        if not received:
            raise self._lost(began)
        return received

    def _lost(self, began: float) -> SessionLostError:
        """By the clock: when the system gives up a server that takes nothing more, paramiko calls that a cut too."""
        self.is_lost = True
        if time.monotonic() - began >= 0.9 * self._idle_s:
            return SessionStalledError("nothing came from the server within the idle timeout")
        return SessionLostError("cut")

    def overrun(self, cause: str) -> SessionStalledError:
        """The error of a server that sends without end; the session is of no more use."""
        self.is_lost = True
        return SessionStalledError(cause)

    def _nonsense(self, cause: str) -> SessionError:
        self.is_lost = True
        return SessionError(cause)
