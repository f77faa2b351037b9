"""A connection that is made anew when it breaks off, so that one cut does not end a run."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

from pipelines.errors import HostKeyError, TransferError
from pipelines.transfer.base import (
    GRACE,
    LEAST_PACE,
    ConnectionLostError,
    Endpoint,
    RemoteFile,
    RemoteMissingError,
    ShutOutError,
    Sink,
    StalledError,
    TargetExistsError,
    Transport,
    UnreachableError,
)
from pipelines.transfer.connect import connect
from pipelines.transfer.failures import lost

_Result = TypeVar("_Result")


def steady(endpoint: Endpoint) -> SteadyTransport:
    """A connection to the endpoint that outlives cuts; errors as of `connect`, whose first attempt is the only one.

    A first connection is not tried again: a wrong password must not be hammered.
    """
    return SteadyTransport(endpoint)


class SteadyTransport(Transport):
    """Does again what a lost connection broke off, after growing waits; a read goes on where it stopped.

    Up to `retries` new connections in a row, counted anew once bytes came; then the last error stands. A server that
    stalls is not waited for again in the same call: StalledError passes at once, and the next call connects anew.
    A server's no and a host key that is not the agreed one pass at once; a log-in that is refused now is ShutOutError,
    and after either every further call is. File interface, section 3.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._is_closed = False
        self._shut_out: TransferError | None = None
        self._transport: Transport | None = connect(endpoint)

    def list(self, directory: str) -> builtins.list[RemoteFile]:
        found = self._persist(directory, lambda transport, is_again: transport.list(directory))
        return [*{file.name: file for file in found}.values()]  # each name once, whatever the server says

    def read(self, path: str, sink: Sink, offset: int = 0) -> int:
        had, began = 0, time.monotonic()

        def counted(block: bytes) -> None:
            nonlocal had
            sink(block)
            had += len(block)
            if had < LEAST_PACE * (time.monotonic() - began - GRACE * self._endpoint.idle_timeout_s):
                raise lost(self._endpoint, path, f"{had} bytes came in {time.monotonic() - began:.0f} s", True)

        def go_on(transport: Transport, is_again: bool) -> int:
            return transport.read(path, counted, offset + had)

        self._persist(path, go_on, lambda: had)
        return had

    def read_small(self, paths: Sequence[str], most: int) -> builtins.list[bytes | TransferError | None]:
        return self._persist(paths[0], lambda transport, is_again: transport.read_small(paths, most)) if paths else []

    def _write(self, path: str, blocks: Iterable[bytes]) -> None:
        """As `Transport.write`; the blocks must be there once more, so an iterator will not do."""
        assert iter(blocks) is not blocks, f"{path}: expected blocks that can be gone through again, such as a list"
        self._persist(path, lambda transport, is_again: transport.write(path, blocks))

    def rename(self, source: str, target: str) -> None:
        def move(transport: Transport, is_again: bool) -> None:
            try:
                transport.rename(source, target)
            except (RemoteMissingError, TargetExistsError):
                # The request may have been carried out, and only its answer lost.
                if not is_again or transport.exists(source) or not transport.exists(target):
                    raise

        self._persist(source, move)

    def remove(self, path: str) -> None:
        def delete(transport: Transport, is_again: bool) -> None:
            try:
                transport.remove(path)
            except RemoteMissingError:
                if not is_again:
                    raise

        self._persist(path, delete)

    def exists(self, path: str) -> bool:
        return self._persist(path, lambda transport, is_again: transport.exists(path))

    def close(self) -> None:
        self._is_closed = True
        self._drop()

    def _persist(
        self, path: str, action: Callable[[Transport, bool], _Result], progress: Callable[[], int] = lambda: 0
    ) -> _Result:
        """What `action` returns, given a connection and whether an earlier one broke off while it was at it."""
        if self._is_closed:
            raise lost(self._endpoint, path, "it was closed")
        failed, came, is_again = 0, progress(), False
        while True:
            try:
                transport = self._connected()
                began, is_again = is_again, True
                return action(transport, began)
            except (ConnectionLostError, UnreachableError) as error:
                self._drop()
                if progress() > came:
                    failed, came = 0, progress()
                if failed == self._endpoint.retries or isinstance(error, StalledError | ShutOutError):
                    raise
            time.sleep(self._endpoint.retry_wait_s * 2**failed)
            failed += 1

    def _connected(self) -> Transport:
        if self._shut_out is not None:
            raise ShutOutError(str(self._shut_out)) from self._shut_out
        if self._transport is None:
            try:
                self._transport = connect(self._endpoint)
            except (ConnectionLostError, UnreachableError):
                raise
            except HostKeyError as error:
                self._shut_out = error
                raise
            except TransferError as error:
                self._shut_out = error
                raise ShutOutError(str(error)) from error
        return self._transport

    def _drop(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            with suppress(TransferError, OSError):
                transport.close()
