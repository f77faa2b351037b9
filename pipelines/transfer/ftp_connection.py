"""One FTP connection: commands, replies as errors, data connections, listings."""

from __future__ import annotations

import builtins
import ftplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import socket

from pipelines.errors import HostKeyError
from pipelines.transfer.base import ConnectionLostError, Endpoint, RemoteFile, RemoteMissingError
from pipelines.transfer.failures import failure, failure_of, lost
from pipelines.transfer.ftp_listing import is_itself, lines_of, narrowed, parse_long, parse_mlsd, receive, size_of
from pipelines.transfer.ftp_login import open_ftp, raw
from pipelines.transfer.ftp_replies import NotOfferedError, breakage, refusal
from pipelines.transfer.paths import is_askable, is_own, name_of, remote_path


class FtpConnection:
    """Paths are relative to the endpoint's root; every method raises TransferError, as `Transport` says."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._has_mlsd = True
        self._ftp = open_ftp(endpoint)

    @property
    def is_open(self) -> bool:
        return self._ftp.sock is not None

    def close(self) -> None:
        self._ftp.close()

    def ask(self, command: str, path: str) -> str:
        """The server's answer to a command about a path."""
        with self.explained(path):
            return self._ftp.sendcmd(f"{command} {self._raw(path)}")

    def transfer(self, command: str, path: str, rest: int | None = None) -> socket:
        """The data connection of a command; its reply is due when that one has ended, see `end_transfer`."""
        with self.explained(path):
            connection = self._ftp.transfercmd(f"{command} {self._raw(path)}", rest)
            connection.settimeout(self.endpoint.idle_timeout_s)
            return connection

    def end_transfer(self, path: str) -> None:
        with self.explained(path):
            self._ftp.voidresp()

    @contextmanager
    def sending(self, path: str) -> Iterator[None]:
        """As `explained`; a server whose disk is full breaks off the data, and says so in its reply."""
        with self.explained(path):
            try:
                yield
            except TimeoutError:
                raise
            except OSError:
                self._ftp.voidresp()
                raise

    def size(self, path: str) -> int | None:
        """The size of a regular file; None where the server's answer is no size."""
        reply = self.ask("SIZE", path)
        return size_of(reply.removeprefix("213").strip().encode()) if reply.startswith("213") else None

    def size_or_none(self, path: str) -> int | None:
        with suppress(NotOfferedError, RemoteMissingError):  # an old server, or moved by now
            return self.size(path)
        return None

    def move(self, source: str, target: str) -> None:
        self.ask("RNFR", source)
        try:
            with self.explained(source):
                self._ftp.voidcmd(f"RNTO {self._raw(target)}")
        except RemoteMissingError as error:  # a 550 that can only be about the target
            cause = f"not moved to {target}: {error.__cause__}"
            raise failure(self.endpoint, source, cause, "check the rights on the server") from error

    def entries(self, directory: str) -> builtins.list[RemoteFile]:
        """What a directory holds; RemoteMissingError where it does not exist and the server says so."""
        files = listed = None
        if self._has_mlsd:
            with suppress(NotOfferedError):  # or no such directory, as some say so; the next listing tells
                files = parse_mlsd(self._listing("MLSD", directory))
        # Asked of an empty one too: where its connection was cut, this shows it.
        with suppress(NotOfferedError):
            listed = parse_long(self._listing("LIST", directory))
        if files is not None:
            return narrowed(files, listed)
        self._has_mlsd = False
        if listed is None:
            return self._named(directory)
        if is_itself(listed, directory):
            cause = "the server lists the directory itself and not what it holds"
            raise failure(self.endpoint, directory, cause, "check the rights on the server")
        return listed

    def _raw(self, path: str) -> str:
        return raw(remote_path(self.endpoint, path))

    def _listing(self, command: str, directory: str) -> bytes:
        with self.transfer(command, directory) as connection, self.explained(directory):
            listing = receive(connection, directory, self.endpoint.idle_timeout_s)
        self.end_transfer(directory)
        return listing

    def _named(self, directory: str) -> builtins.list[RemoteFile]:
        """The entries of a server whose listings have a form of their own: names alone, then each one's size."""
        files = []
        for line in lines_of(self._listing("NLST", directory)):
            name = name_of(line).rpartition("/")[2]
            if is_own(name):
                files.append(self._sized(directory, name))
        return files

    def _sized(self, directory: str, name: str) -> RemoteFile:
        if not is_askable(name):
            return RemoteFile(name, None, is_regular=False)
        try:
            return RemoteFile(name, self.size(f"{directory}/{name}".lstrip("/")), is_regular=True)
        except NotOfferedError:  # whether it is a file shows when it is read
            return RemoteFile(name, None, is_regular=True)
        except RemoteMissingError:  # as servers say of the size of a directory
            return RemoteFile(name, None, is_regular=False)

    @contextmanager
    def explained(self, path: str) -> Iterator[None]:
        """What the server says, as an error that names server and path."""
        if not self.is_open:
            raise lost(self.endpoint, path, "it is gone already")
        try:
            yield
        except ftplib.Error as error:
            found = refusal(self.endpoint, path, error)
            if isinstance(found, ConnectionLostError):
                self.close()
            raise found from error
        except ssl.SSLCertVerificationError as error:  # of a data connection: another server answers there
            self.close()
            cause = f"the certificate of the data connection does not verify: {error.verify_message}"
            advice = "ask the server's operator; a firewall may stand between"
            raise failure_of(HostKeyError, self.endpoint, path, cause, advice) from error
        except (OSError, EOFError) as error:
            self.close()
            raise breakage(self.endpoint, path, error, self._ftp.passive_port) from error
