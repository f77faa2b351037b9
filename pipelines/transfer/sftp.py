"""SFTP: the transport of most producers."""

from __future__ import annotations

import builtins
import stat
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager

from pipelines.errors import TransferError
from pipelines.transfer import sftp_files as files
from pipelines.transfer.base import Endpoint, RemoteFile, RemoteMissingError, Sink, Transport
from pipelines.transfer.failures import failure, lost, missing, target_exists
from pipelines.transfer.paths import aside_of, is_own, name_of, parent, remote_path, wire
from pipelines.transfer.sftp_session import (
    Kind,
    SessionError,
    SessionLostError,
    SessionStalledError,
    SftpSession,
    StatusError,
    string,
)
from pipelines.transfer.ssh import close_ssh, open_channel, open_ssh

_MISSING = 2
_POSIX_RENAME = b"posix-rename@openssh.com"


class SftpTransport(Transport):
    """One SFTP connection, for one thread; the server's key is checked before anything secret is sent."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._made: set[str] = set()
        self._ssh = open_ssh(endpoint)
        try:
            channel = open_channel(endpoint, self._ssh)
            with self._explained(""):
                self._session = SftpSession(channel)
        except BaseException:
            self.close()
            raise

    def list(self, directory: str) -> builtins.list[RemoteFile]:
        try:
            with self._explained(directory):
                found = [RemoteFile(name_of(e.name), e.size, e.is_regular) for e in files.entries(*self._at(directory))]
        except RemoteMissingError:
            return []
        return [file for file in found if is_own(file.name)]

    def read(self, path: str, sink: Sink, offset: int = 0) -> int:
        count = 0
        with self._explained(path), closing(files.content(*self._at(path), offset)) as blocks:
            for block in blocks:
                sink(block)
                count += len(block)
        return count

    def read_small(self, paths: Sequence[str], most: int) -> builtins.list[bytes | TransferError | None]:
        with self._explained(paths[0] if paths else ""):
            found = files.small(self._session, [self._whole(path) for path in paths], most)
        return [
            self._refusal(path, each) if isinstance(each, StatusError) else each
            for path, each in zip(paths, found, strict=True)
        ]

    def _write(self, path: str, blocks: Iterable[bytes]) -> None:
        partial = f"{path}.tmp"
        self._make_directory(parent(path))
        with self._explained(path):
            files.write(*self._at(partial), blocks)
            if _POSIX_RENAME in self._session.extensions:
                self._session.call(Kind.EXTENDED, string(_POSIX_RENAME) + self._two(partial, path))
                return
            if self.exists(path):
                self._swap(partial, path)
            else:
                self._session.call(Kind.RENAME, self._two(partial, path))

    def _swap(self, partial: str, path: str) -> None:
        """Over a server that renames over nothing: the old file is deleted only once the new one is in its place."""
        aside = aside_of(path)
        if self.exists(aside):  # left by a run that was killed here; what stands at the path is newer
            self._session.call(Kind.REMOVE, string(self._whole(aside)))
        self._session.call(Kind.RENAME, self._two(path, aside))
        try:
            self._session.call(Kind.RENAME, self._two(partial, path))
        except StatusError:
            with self._explained(aside):  # that a failure to put it back says where it is
                self._session.call(Kind.RENAME, self._two(aside, path))
            raise
        self._session.call(Kind.REMOVE, string(self._whole(aside)))

    def rename(self, source: str, target: str) -> None:
        self._make_directory(parent(target))
        if self._stands(target):
            raise target_exists(self._endpoint, source, target)
        with self._explained(source):
            self._session.call(Kind.RENAME, self._two(source, target))

    def remove(self, path: str) -> None:
        if not self.exists(path):  # of a directory or a link the request would say, or do, something else
            raise missing(self._endpoint, path)
        with self._explained(path):
            self._session.call(Kind.REMOVE, string(self._whole(path)))

    def exists(self, path: str) -> bool:
        try:
            with self._explained(path):
                return files.entry(*self._at(path)).is_regular
        except RemoteMissingError:
            return False

    def close(self) -> None:
        close_ssh(self._ssh)

    def _at(self, path: str) -> tuple[SftpSession, bytes]:
        return self._session, self._whole(path)

    def _whole(self, path: str) -> bytes:
        return wire(remote_path(self._endpoint, path))

    def _two(self, source: str, target: str) -> bytes:
        return string(self._whole(source)) + string(self._whole(target))

    def _stands(self, path: str) -> bool:
        """Whether anything stands there, be it a directory or a link to nowhere."""
        try:
            with self._explained(path):
                files.entry(*self._at(path))
        except RemoteMissingError:
            return False
        return True

    def _make_directory(self, directory: str) -> None:
        """Make a directory and those above it, but never the root; asked once a connection."""
        if directory == "" or directory in self._made:
            return
        with self._explained(directory):
            refused = self._make_one(directory)
            if refused and (refused.code == _MISSING or not self._is_directory(parent(directory))):
                self._make_directory(parent(directory))
                refused = self._make_one(directory)
        if refused:  # whatever its code: a directory that cannot be made is never a file that is not there
            cause, advice = f"no directory could be made: {refused}", "check the rights and the disk of the server"
            raise failure(self._endpoint, directory, cause, advice) from refused
        self._made.add(directory)

    def _make_one(self, directory: str) -> StatusError | None:
        """The server's no. One that stands is well: another process may have made it just now, whenever we looked."""
        try:
            self._session.call(Kind.MKDIR, string(self._whole(directory)) + struct.pack(">I", 0))
        except StatusError as status:
            return None if self._is_directory(directory) else status
        return None

    def _is_directory(self, path: str) -> bool:
        """Whether a directory stands there, or a link to one; not where we may not look."""
        try:
            mode = self._session.call(Kind.STAT, string(self._whole(path))).size_and_mode()[1]
        except StatusError:
            return False
        return mode is None or stat.S_ISDIR(mode)

    def _refusal(self, path: str, status: StatusError) -> TransferError:
        if status.code == _MISSING:
            return missing(self._endpoint, path)
        return failure(self._endpoint, path, status, "check the rights and the disk of the server")

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        """What the protocol says, as an error that names server and path; a sink's own errors pass untouched."""
        try:
            yield
        except StatusError as status:
            raise self._refusal(path, status) from status
        except SessionLostError as error:
            raise lost(self._endpoint, path, error, isinstance(error, SessionStalledError)) from error
        except SessionError as error:
            raise failure(self._endpoint, path, error, "is it an SFTP server? ask its operator") from error
