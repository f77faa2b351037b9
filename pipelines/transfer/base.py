"""What a transport can do, whatever the protocol: list, read, write, rename, remove."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from pipelines.errors import TransferError

Sink = Callable[[bytes], object]


class RemoteMissingError(TransferError):
    """What was to be read or moved is not there; most often another run has moved it."""


class TargetExistsError(TransferError):
    """A file was to be moved to a name that stands already; nothing was changed."""


class UnreachableError(TransferError):
    """There is no connection: refused, no route, no such host. Nothing was sent."""


class ShutOutError(UnreachableError):
    """There was a connection, and the server lets us in no more; it is not asked again, lest it lock the account."""


class ConnectionLostError(TransferError):
    """A connection that was there broke off; whether the last request was done is not known."""


class StalledError(ConnectionLostError):
    """Nothing came, or nothing more was taken, within the connect or idle timeout; the connection was given up."""


class OverrunError(StalledError):
    """More came than any sound file or listing has; the connection was given up, for there may be no end of it."""


MOST_SMALL = 16 << 20  # bytes of what is small where it is sound, such as a check file; far more than is kept of it
MOST_ENTRIES = 500_000  # of a directory
GRACE = 10  # idle timeouts: so long may a listing or an answer take, and a file come slower than LEAST_PACE
LEAST_PACE = 1024  # bytes a second


def at_most(most: int, path: str, sink: Sink) -> Sink:
    """A sink that gives up a server from which more than `most` bytes come: OverrunError."""
    count = 0

    def counted(block: bytes) -> None:
        nonlocal count
        count += len(block)
        if count > most:
            raise OverrunError(f"{path}: expected at most {most} bytes, and more came; ask the server's operator")
        sink(block)

    return counted


@dataclass(frozen=True)
class RemoteFile:
    """One entry of a directory: `size` in bytes, or None where the server does not say.

    `name` may hold any character; bytes that are not UTF-8 stand as surrogates (`surrogateescape`).
    """

    name: str
    size: int | None
    is_regular: bool


@dataclass(frozen=True)
class Endpoint:
    """Where a source's (or receiver's) directories are, and how to prove who we and they are.

    `root` is the directory above `outgoing/`. `secret` never appears in a message: it is left out of the repr.
    """

    scheme: str  # sftp, ftps, ftp, file
    host: str = ""
    port: int = 0
    user: str = ""
    root: str = "/"
    secret: str | None = field(default=None, repr=False)
    key_file: str | None = None
    host_key: str | None = None  # pinned: "ssh-ed25519 AAAA…"
    known_hosts: str | None = None
    ca_file: str | None = None  # FTPS: the authority that signed the server's certificate
    connect_timeout_s: float = 15.0
    idle_timeout_s: float = 60.0
    retries: int = 3  # new connections in a row without a byte of progress, see pipelines.transfer.steady
    retry_wait_s: float = 1.0  # before the first of them; each further wait is twice the one before


class Transport(ABC):
    """A connection to an endpoint. Paths are relative to its root, joined by `/`.

    Every method raises TransferError (see pipelines.errors) with the endpoint's host and the path in its message:
    ConnectionLostError where the connection broke off, another kind where the server said no.
    """

    @abstractmethod
    def list(self, directory: str) -> list[RemoteFile]:
        """The entries of a directory, in one round of requests; an empty list where the directory does not exist."""

    @abstractmethod
    def read(self, path: str, sink: Sink, offset: int = 0) -> int:
        """Stream a file from `offset` into `sink`; returns the number of bytes read."""

    def read_small(self, paths: Sequence[str], most: int) -> builtins.list[bytes | TransferError | None]:
        """The contents of small files in their order; None for one of more than `most` bytes.

        What the server says no to stands in its place as an error; others are raised. Where the protocol allows it all
        are asked for together, which saves the waits for a far server.
        """
        return [self._small(path, most) for path in paths]

    def _small(self, path: str, most: int) -> bytes | TransferError | None:
        content = bytearray()

        def collect(block: bytes) -> None:
            if len(content) <= most:
                content.extend(block)

        try:
            self.read(path, at_most(MOST_SMALL, path, collect))
        except (ConnectionLostError, UnreachableError):
            raise
        except TransferError as error:
            return error
        return bytes(content) if len(content) <= most else None

    def write(self, path: str, blocks: Iterable[bytes]) -> None:
        """Put a file there whole: its blocks go to `path.tmp`, which is then renamed over what may stand there.

        Directories above it are made. Memory is bounded, however many blocks there are; their own errors pass
        untouched, and leave no more than the `.tmp`.
        """
        assert not isinstance(blocks, bytes | bytearray | memoryview), f"{path}: expected blocks, such as [content]"
        self._write(path, blocks)

    @abstractmethod
    def _write(self, path: str, blocks: Iterable[bytes]) -> None:
        """As `write`, of blocks that are some."""

    @abstractmethod
    def rename(self, source: str, target: str) -> None:
        """Move a file; directories above the target are made; TargetExistsError rather than overwrite what is there."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """Delete a regular file; RemoteMissingError where none stands there."""

    @abstractmethod
    def exists(self, path: str) -> bool:
        """Whether a regular file stands at `path`."""

    @abstractmethod
    def close(self) -> None:
        """End the connection; harmless when it is gone already."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def first_bytes(transport: Transport, path: str, most: int) -> bytes:
    """What is small where it is sound, at most its first `most` bytes; the connection outlives a file without end.

    Raises TransferError as `Transport.read`, but never OverrunError: that is this file's fault, and no other's.
    """
    content = bytearray()

    def collect(block: bytes) -> None:
        content.extend(block[: most - len(content)])

    with suppress(OverrunError):
        transport.read(path, at_most(MOST_SMALL, path, collect))
    return bytes(content)


def small_contents(transport: Transport, paths: Sequence[str], most: int) -> list[bytes | TransferError | None]:
    """As `Transport.read_small`; where one of them is far too large, each by itself, for the others are sound."""
    try:
        return transport.read_small(paths, most)
    except OverrunError:
        if len(paths) == 1:
            return [None]
        return [content for path in paths for content in small_contents(transport, [path], most)]
