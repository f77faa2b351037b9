"""FTP and FTP over TLS (AUTH TLS, both channels protected)."""

from __future__ import annotations

import builtins
import ftplib
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from socket import socket

from pipelines.errors import HostKeyError, TransferError
from pipelines.transfer.base import ConnectionLostError, Endpoint, RemoteFile, RemoteMissingError, Sink, Transport
from pipelines.transfer.blocks import pieces
from pipelines.transfer.failures import failure, failure_of, lost, missing, target_exists
from pipelines.transfer.ftp_listing import lines_of, narrowed, parse_long, parse_mlsd, receive, size_of
from pipelines.transfer.ftp_login import open_ftp, raw
from pipelines.transfer.ftp_replies import NotOfferedError, breakage, refusal
from pipelines.transfer.paths import is_askable, is_own, name_of, parent, remote_path

_BLOCK = 112 * 1024  # larger ones glibc maps anew each time: the page faults cost more than the reading (x 0.4)


class FtpTransport(Transport):
    """One FTP or FTPS connection, for one thread; after a transfer that broke off it is of no more use."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._made: set[str] = set()
        self._has_mlsd = True
        self._ftp = open_ftp(endpoint)

    def list(self, directory: str) -> builtins.list[RemoteFile]:
        try:
            return [file for file in self._entries(directory) if is_own(file.name)]
        except RemoteMissingError:
            return []

    def read(self, path: str, sink: Sink, offset: int = 0) -> int:
        least = self._size_or_none(path) if offset else None
        connection, skip = self._retrieve(path, offset)
        count = 0
        try:
            with connection:
                while block := self._block(connection, path):
                    wanted, skip = block[skip:], max(0, skip - len(block))
                    sink(wanted)
                    count += len(wanted)
            with self._explained(path):
                self._ftp.voidresp()
        except BaseException:
            self.close()  # the reply to this transfer is still to come: what is asked next would be given it
            raise
        self._check_whole(path, offset + count, least if offset else self._size_or_none(path))
        return count

    def _write(self, path: str, blocks: Iterable[bytes]) -> None:
        partial = f"{path}.tmp"
        self._make_directory(parent(path))
        with self._explained(path):
            connection = self._transfer(f"STOR {self._raw(partial)}")
        try:
            with connection:
                for piece in pieces(blocks, _BLOCK):
                    with self._sending(path):
                        connection.sendall(piece)
                if isinstance(connection, ssl.SSLSocket):
                    with self._sending(path):
                        connection.unwrap()  # says that this is all; a server may take a bare end for a cut
            with self._explained(path):
                self._ftp.voidresp()
        except BaseException:
            self.close()  # as in `read`
            raise
        self._replace(partial, path)

    def _replace(self, partial: str, path: str) -> None:
        try:
            self._move(partial, path)
        except TransferError:
            if not self.exists(path):
                raise
            with self._explained(path):  # a server that renames over nothing: for a moment the file is not there
                self._ftp.delete(self._raw(path))
            self._move(partial, path)

    def rename(self, source: str, target: str) -> None:
        self._make_directory(parent(target))
        if self.exists(target):  # the protocol has no rename that refuses by itself
            raise target_exists(self._endpoint, source, target)
        self._move(source, target)

    def remove(self, path: str) -> None:
        if not self.exists(path):
            raise missing(self._endpoint, path)
        try:
            with self._explained(path):
                self._ftp.delete(self._raw(path))
        except RemoteMissingError as error:  # 550 is also said where it may not be deleted
            if not self.exists(path):
                raise
            cause = f"not deleted: {error.__cause__}"
            raise failure(self._endpoint, path, cause, "check the rights on the server") from error

    def exists(self, path: str) -> bool:
        try:
            with suppress(NotOfferedError):
                if self._size(path) is not None:
                    return True
        except RemoteMissingError:
            return False
        return any(file.is_regular and file.name == path.rpartition("/")[2] for file in self.list(parent(path)))

    def close(self) -> None:
        self._ftp.close()

    def _raw(self, path: str) -> str:
        return raw(remote_path(self._endpoint, path))

    def _transfer(self, command: str, rest: int | None = None) -> socket:
        connection = self._ftp.transfercmd(command, rest)
        connection.settimeout(self._endpoint.idle_timeout_s)
        return connection

    def _retrieve(self, path: str, offset: int) -> tuple[socket, int]:
        """The data connection, and how many bytes to pass over because the server cannot begin at `offset`."""
        command = f"RETR {self._raw(path)}"
        if offset:
            with suppress(NotOfferedError), self._explained(path):  # no REST: the file comes from its beginning
                return self._transfer(command, offset), 0
        with self._explained(path):
            return self._transfer(command), offset

    def _block(self, connection: socket, path: str) -> bytes:
        with self._explained(path):
            return connection.recv(_BLOCK)

    @contextmanager
    def _sending(self, path: str) -> Iterator[None]:
        with self._explained(path):
            try:
                yield
            except TimeoutError:
                raise
            except OSError:
                self._ftp.voidresp()  # a server whose disk is full breaks off the data, and says so here
                raise

    def _check_whole(self, path: str, count: int, size: int | None) -> None:
        """An end of data may be a cut that the server has not noticed: only the size tells them apart.

        Of a whole read the size is asked for afterwards, of a resumed one before: so a file that grows and grows is
        gone on with once and no more.
        """
        if size is not None and count < size:
            self.close()
            raise lost(self._endpoint, path, f"{count} of {size} bytes are there")

    def _size_or_none(self, path: str) -> int | None:
        with suppress(NotOfferedError, RemoteMissingError):  # an old server, or moved by now
            return self._size(path)
        return None

    def _listing(self, command: str, directory: str) -> bytes:
        with self._explained(directory):
            with self._transfer(f"{command} {self._raw(directory)}") as connection:
                listing = receive(connection, directory, self._endpoint.idle_timeout_s)
            self._ftp.voidresp()
        return listing

    def _entries(self, directory: str) -> builtins.list[RemoteFile]:
        files = listed = None
        if self._has_mlsd:
            with suppress(NotOfferedError):  # or no such directory, as some say so; the next listing tells
                files = parse_mlsd(self._listing("MLSD", directory))
        with suppress(NotOfferedError):
            listed = parse_long(self._listing("LIST", directory))
        if files is not None:
            return narrowed(files, listed)
        self._has_mlsd = False
        return self._named(directory) if listed is None else listed

    def _named(self, directory: str) -> builtins.list[RemoteFile]:
        """The entries of a server whose listings have a form of their own: names alone, then each one's size."""
        files = []
        for line in lines_of(self._listing("NLST", directory)):
            name = name_of(line).rpartition("/")[2]
            if is_own(name):
                files.append(self._sized(directory, name))
        return files

    def _sized(self, directory: str, name: str) -> RemoteFile:
        if is_askable(name):
            with suppress(RemoteMissingError):  # as servers say of the size of a directory
                return RemoteFile(name, self._size(f"{directory}/{name}".lstrip("/")), is_regular=True)
        return RemoteFile(name, None, is_regular=False)

    def _size(self, path: str) -> int | None:
        """The size of a regular file; None where the server's answer is no size."""
        with self._explained(path):
            reply = self._ftp.sendcmd(f"SIZE {self._raw(path)}")
        return size_of(reply.removeprefix("213").strip().encode()) if reply.startswith("213") else None

    def _move(self, source: str, target: str) -> None:
        with self._explained(source):
            self._ftp.sendcmd(f"RNFR {self._raw(source)}")
        try:
            with self._explained(source):
                self._ftp.voidcmd(f"RNTO {self._raw(target)}")
        except RemoteMissingError as error:  # a 550 that can only be about the target
            cause = f"not moved to {target}: {error.__cause__}"
            raise failure(self._endpoint, source, cause, "check the rights on the server") from error

    def _make_directory(self, directory: str) -> None:
        """Make a directory and those above it, but never the root; asked once a connection."""
        if directory == "" or directory in self._made:
            return
        self._make_directory(parent(directory))
        try:
            with self._explained(directory):
                self._ftp.voidcmd(f"MKD {self._raw(directory)}")
        except TransferError:
            if self._ftp.sock is None:
                raise
            # Most likely it stands; FTP has no sure way to ask. If not, what comes next fails and says so.
        self._made.add(directory)

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        """What the server says, as an error that names server and path."""
        if self._ftp.sock is None:
            raise lost(self._endpoint, path, "it is gone already")
        try:
            yield
        except ftplib.Error as error:
            found = refusal(self._endpoint, path, error)
            if isinstance(found, ConnectionLostError):
                self.close()
            raise found from error
        except ssl.SSLCertVerificationError as error:  # of a data connection: another server answers there
            self.close()
            cause = f"the certificate of the data connection does not verify: {error.verify_message}"
            advice = "ask the server's operator; a firewall may stand between"
            raise failure_of(HostKeyError, self._endpoint, path, cause, advice) from error
        except (OSError, EOFError) as error:
            self.close()
            raise breakage(self._endpoint, path, error) from error
