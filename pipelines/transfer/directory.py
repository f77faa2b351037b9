"""A drop directory: the producer puts files into a local or mounted directory."""

from __future__ import annotations

import builtins
import errno
import filecmp
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from pipelines.rights import make_shared, share
from pipelines.transfer.base import Endpoint, RemoteFile, RemoteMissingError, Sink, Transport
from pipelines.transfer.blocks import pieces
from pipelines.transfer.failures import failure, missing, target_exists
from pipelines.transfer.paths import remote_path

_BLOCK = 1024 * 1024
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}  # as file systems without hard links say it


class DirectoryTransport(Transport):
    """A directory of this machine; symbolic links are never followed to a file.

    To a directory only where root or we ourselves made them: another's would lead our reads and writes elsewhere.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        if not Path(endpoint.root).is_dir():
            raise failure(endpoint, "", "no such directory", "make or mount it, or correct the url")

    def list(self, directory: str) -> builtins.list[RemoteFile]:
        try:
            with self._explained(directory), os.scandir(self._local(directory, is_directory=True)) as entries:
                found = [_remote_file(entry) for entry in entries]
        except RemoteMissingError:
            return []
        return [file for file in found if file is not None]

    def read(self, path: str, sink: Sink, offset: int = 0) -> int:
        count = 0
        with self._regular(path) as file:
            file.seek(offset)
            while block := self._block(file, path):
                sink(block)
                count += len(block)
        return count

    def _write(self, path: str, blocks: Iterable[bytes]) -> None:
        whole = self._local(path)
        partial = Path(f"{whole}.tmp")
        with self._explained(path):
            make_shared(partial.parent)  # whoever answers for the other side reads here
            partial.unlink(missing_ok=True)
            file = partial.open("xb", buffering=0)  # x: never through a link or a FIFO that someone put there
            share(partial)
        with file:
            for piece in pieces(blocks, _BLOCK):  # outside: an error of the blocks is none of this directory
                with self._explained(path):
                    _put(file, piece)
            with self._explained(path):
                os.fsync(file.fileno())
        with self._explained(path):
            os.replace(partial, whole)

    def rename(self, source: str, target: str) -> None:
        old, new = self._local(source), self._local(target)
        with self._explained(source):
            make_shared(Path(new).parent)
            try:
                os.link(old, new, follow_symlinks=False)  # unlike a rename it never overwrites
            except FileExistsError:
                if _was_carried(old, new):
                    _end_carrying(old, new)
                    return
                if not os.path.samestat(os.lstat(old), os.lstat(new)):  # the same: a move that was broken off
                    raise target_exists(self._endpoint, source, target) from None
            except OSError as error:
                if error.errno == errno.EXDEV:
                    self._carry(source, new)
                    _end_carrying(old, new)
                    return
                if error.errno not in _NO_LINKS:
                    raise
                if os.path.lexists(new):
                    raise target_exists(self._endpoint, source, target) from error
                os.rename(old, new)
                return
            _free(old, new, os.path.dirname(new))

    def _carry(self, source: str, new: str) -> None:
        """Copy a file to another volume, where no link leads; it stands there under its name once it is whole."""
        partial = Path(_partial(new))
        partial.unlink(missing_ok=True)
        with self._regular(source) as file, partial.open("xb", buffering=0) as copy:
            while block := file.read(_BLOCK):
                _put(copy, block)
            os.fsync(copy.fileno())
        share(partial)
        # Both names stay until the end: so a move that was killed is known.
        os.link(partial, new, follow_symlinks=False)

    def remove(self, path: str) -> None:
        if not self.exists(path):
            raise missing(self._endpoint, path)
        with self._explained(path):
            os.unlink(self._local(path))

    def exists(self, path: str) -> bool:
        try:
            with self._explained(path):
                return stat.S_ISREG(os.lstat(self._local(path)).st_mode)
        except RemoteMissingError:
            return False

    def close(self) -> None:
        """Nothing is open between calls."""

    def _local(self, path: str, *, is_directory: bool = False) -> str:
        whole = remote_path(self._endpoint, path)
        parts = path.split("/") if path else []
        for count in range(1, len(parts) + is_directory):
            passed = remote_path(self._endpoint, "/".join(parts[:count]))
            if os.path.islink(passed) and os.lstat(passed).st_uid not in (0, os.geteuid()):
                cause = f"{'/'.join(parts[:count])} is a link of another user's"
                raise failure(self._endpoint, path, cause, "nothing is read or written there; ask who put it there")
        return whole

    def _regular(self, path: str) -> FileIO:
        with self._explained(path):
            # neither waits at a FIFO nor follows a link
            descriptor = os.open(self._local(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise failure(self._endpoint, path, "no regular file", "it is left as it is; ask who put it there")
            return FileIO(descriptor)

    def _block(self, file: FileIO, path: str) -> bytes:
        with self._explained(path):
            return file.read(_BLOCK)

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise missing(self._endpoint, path) from error
        except OSError as error:
            raise failure(self._endpoint, path, error.strerror, "check the directory, its rights and disk") from error


def _put(file: FileIO, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]


def _partial(path: str) -> str:
    return f"{path}.tmp"


def _was_carried(old: str, new: str) -> bool:
    """Whether a move from another volume was broken off when the copy stood already."""
    try:
        is_ours = os.path.samestat(os.lstat(_partial(new)), os.lstat(new))
    except FileNotFoundError:
        return False
    return is_ours and _are_alike(old, new)


def _end_carrying(old: str, new: str) -> None:
    _free(old, new, os.path.dirname(old))
    os.unlink(_partial(new))


def _are_alike(one: str, other: str) -> bool:
    """Whether two names are one file, or two of the same bytes; none is followed to another file or waited at."""
    first, second = os.lstat(one), os.lstat(other)
    if os.path.samestat(first, second):
        return True
    is_copy = first.st_dev != second.st_dev and stat.S_ISREG(first.st_mode) and stat.S_ISREG(second.st_mode)
    return is_copy and filecmp.cmp(one, other, shallow=False)


def _free(old: str, new: str, beside: str) -> None:
    """Take away the former name of a file that stands at `new` too; what came to stand there meanwhile is kept.

    An unlink would delete whatever its writer has put there by now; a rename takes hold of it, and then we look.
    Killed in between, a second link to the moved file, or its original, stays in `beside` under a name that nobody asks
    for. Only a writer within the same moment would find its new file there, unread: its bytes are kept, as all are.
    """
    aside = f"{beside}/.moved-{secrets.token_hex(8)}"
    os.rename(old, aside)
    if not _are_alike(aside, new):
        try:
            os.link(aside, old, follow_symlinks=False)
        except FileExistsError:
            return  # yet another came: this one stays aside, for on a server nothing is ever deleted
    os.unlink(aside)


def _remote_file(entry: os.DirEntry[str]) -> RemoteFile | None:
    try:
        size = entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return None  # moved since the directory was read
    return RemoteFile(entry.name, size, entry.is_file(follow_symlinks=False))
