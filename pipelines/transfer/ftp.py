"""FTP and FTP over TLS (AUTH TLS, both channels protected)."""

from __future__ import annotations

import builtins
import select
import ssl
from collections.abc import Iterable
from contextlib import suppress
from socket import socket

from pipelines.errors import TransferError
from pipelines.transfer.base import Endpoint, RemoteFile, RemoteMissingError, Sink, Transport
from pipelines.transfer.blocks import pieces
from pipelines.transfer.failures import failure, lost, missing, target_exists
from pipelines.transfer.ftp_connection import FtpConnection
from pipelines.transfer.ftp_replies import NotOfferedError
from pipelines.transfer.paths import aside_of, is_own, parent

_BLOCK = 112 * 1024  # larger ones glibc maps anew each time: the page faults cost more than the reading (x 0.4)
_FAREWELL_S = 2.0  # so long an answer to the end of a TLS connection is waited for; some servers give none


class FtpTransport(Transport):
    """One FTP or FTPS connection, for one thread; after a transfer that broke off it is of no more use."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._made: set[str] = set()
        self._connection = FtpConnection(endpoint)

    def list(self, directory: str) -> builtins.list[RemoteFile]:
        try:
            return [file for file in self._connection.entries(directory) if is_own(file.name)]
        except RemoteMissingError:
            return []

    def read(self, path: str, sink: Sink, offset: int = 0) -> int:
        least = self._connection.size_or_none(path) if offset else None
        data, skip = self._retrieve(path, offset)
        count = 0
        try:
            with data:
                while block := self._block(data, path):
                    wanted, skip = block[skip:], max(0, skip - len(block))
                    sink(wanted)
                    count += len(wanted)
            self._connection.end_transfer(path)
        except BaseException:
            self.close()  # the reply to this transfer is still to come: what is asked next would be given it
            raise
        if offset and count == 0 and least is not None and offset < least:
            cause = f"its size is {least} bytes as the server says, and after {offset} none came"
            raise failure(self._endpoint, path, cause, "ask the server's operator what is wrong with this file")
        size = least if offset else self._connection.size_or_none(path)
        if not offset and count and size is not None and count < size:
            return count + self.read(path, sink, count)  # a cut, or it has grown, or its size is not what is said
        self._check_whole(path, offset + count, size)
        return count

    def _write(self, path: str, blocks: Iterable[bytes]) -> None:
        partial = f"{path}.tmp"
        self._make_directory(parent(path))
        data = self._connection.transfer("STOR", partial)
        count, is_certain = 0, True
        try:
            with data:
                for piece in pieces(blocks, _BLOCK):
                    with self._connection.sending(path):
                        data.sendall(piece)
                    count += len(piece)
                if isinstance(data, ssl.SSLSocket):
                    is_certain = self._take_leave(data, path)
            self._connection.end_transfer(path)
        except BaseException:
            self.close()  # as in `read`
            raise
        if not is_certain and (size := self._connection.size_or_none(partial)) is not None:
            self._check_whole(partial, size, count)
        self._replace(partial, path)

    def _take_leave(self, data: ssl.SSLSocket, path: str) -> bool:
        """Say that this is all, as a server may take a bare end for a cut; whether the server says the same.

        Some close at once, some wait for our end of the connection: then the reply decides, and the size.
        """
        with self._connection.sending(path):
            # what was sent may still wait here, on a slow line for long: only then is there room for the last word
            poll = select.poll()
            poll.register(data, select.POLLOUT)
            if not poll.poll(1000 * self._endpoint.idle_timeout_s):
                raise TimeoutError("the last bytes were not taken")
        data.settimeout(min(_FAREWELL_S, self._endpoint.idle_timeout_s))
        with suppress(OSError):
            data.unwrap()
            return True
        return False

    def _replace(self, partial: str, path: str) -> None:
        try:
            self._connection.move(partial, path)
        except TransferError:
            if not self.exists(path) or not self.exists(partial):
                raise
            self._swap(partial, path)

    def _swap(self, partial: str, path: str) -> None:
        """Over a server that renames over nothing: the old file is deleted only once the new one is in its place."""
        aside = aside_of(path)
        if self.exists(aside):  # left by a run that was killed here; what stands at the path is newer
            self._connection.ask("DELE", aside)
        self._connection.move(path, aside)
        try:
            self._connection.move(partial, path)
        except TransferError:
            self._connection.move(aside, path)  # should this fail too, its error says where the old one is
            raise
        self._connection.ask("DELE", aside)

    def rename(self, source: str, target: str) -> None:
        self._make_directory(parent(target))
        if self.exists(target):  # the protocol has no rename that refuses by itself
            raise target_exists(self._endpoint, source, target)
        self._connection.move(source, target)

    def remove(self, path: str) -> None:
        if not self.exists(path):
            raise missing(self._endpoint, path)
        try:
            self._connection.ask("DELE", path)
        except RemoteMissingError as error:  # 550 is also said where it may not be deleted
            if not self.exists(path):
                raise
            cause = f"not deleted: {error.__cause__}"
            raise failure(self._endpoint, path, cause, "check the rights on the server") from error

    def exists(self, path: str) -> bool:
        try:
            with suppress(NotOfferedError):
                if self._connection.size(path) is not None:
                    return True
        except RemoteMissingError:
            return False
        return any(file.is_regular and file.name == path.rpartition("/")[2] for file in self.list(parent(path)))

    def close(self) -> None:
        self._connection.close()

    def _retrieve(self, path: str, offset: int) -> tuple[socket, int]:
        """The data connection, and how many bytes to pass over because the server cannot begin at `offset`."""
        if offset:
            with suppress(NotOfferedError):  # no REST: the file comes from its beginning
                return self._connection.transfer("RETR", path, offset), 0
        return self._connection.transfer("RETR", path), offset

    def _block(self, data: socket, path: str) -> bytes:
        with self._connection.explained(path):
            return data.recv(_BLOCK)

    def _check_whole(self, path: str, count: int, size: int | None) -> None:
        """An end of data may be a cut that the server has not noticed: only the size tells them apart.

        Of a whole read the size is asked for afterwards, of a resumed one before: so a file that grows and grows is
        gone on with once and no more.
        """
        if size is not None and count < size:
            self.close()
            raise lost(self._endpoint, path, f"{count} of {size} bytes are there")

    def _make_directory(self, directory: str) -> None:
        """Make a directory and those above it, but never the root; asked once a connection."""
        if directory == "" or directory in self._made:
            return
        self._make_directory(parent(directory))
        try:
            self._connection.ask("MKD", directory)
        except TransferError:
            if not self._connection.is_open:
                raise
            # Most likely it stands; FTP has no sure way to ask. If not, what comes next fails and says so.
        self._made.add(directory)
