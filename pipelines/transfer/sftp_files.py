"""Files and directories over an SFTP session: entries, content in a window of requests, writing."""

from __future__ import annotations

import stat
import struct
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple

from pipelines.transfer.base import MOST_ENTRIES
from pipelines.transfer.blocks import pieces
from pipelines.transfer.sftp_session import Fields, Kind, SftpSession, StatusError, string

_BLOCK = 128 * 1024  # bytes a read asks for; a server that gives less is asked for less from then on
_LEAST_BLOCK = 32 * 1024  # what every server gives at once, and takes at once
WINDOW = 4 * 1024 * 1024  # bytes asked for that have not come: the memory of a read, and on a long line its speed
_MOST_REQUESTS = 64  # under way at once, as OpenSSH does; some servers hang at more

_EOF = 1
_FOR_READING = 0x01
_FOR_WRITING = 0x02 | 0x08 | 0x10  # made where it is missing, emptied where it is not
_NO_ATTRIBUTES = struct.pack(">I", 0)


class Entry(NamedTuple):
    """What stands at a name, symbolic links not followed; `size` in bytes, None where the server does not say."""

    name: bytes
    size: int | None
    is_regular: bool


def entry(session: SftpSession, path: bytes) -> Entry:
    """What stands at a path; StatusError where nothing does."""
    size, mode = session.call(Kind.LSTAT, string(path)).size_and_mode()
    return Entry(path, size, mode is None or stat.S_ISREG(mode))


def entries(session: SftpSession, path: bytes) -> Iterator[Entry]:
    """The entries of a directory, `.` and `..` among them; an answer with none ends them too."""
    handle = session.call(Kind.OPENDIR, string(path)).string()
    count, until = 0, session.deadline()
    try:
        while (fields := _unless_at_end(session, session.ask(Kind.READDIR, string(handle)))) is not None:
            if (named := fields.number()) == 0:
                return
            count += named
            if count > MOST_ENTRIES:
                raise session.overrun(f"the directory has more than {MOST_ENTRIES} entries")
            if time.monotonic() > until:
                raise session.overrun(f"{count} entries of the directory came, and no end")
            for _ in range(named):
                name, long_name = fields.string(), fields.string()
                size, mode = fields.size_and_mode()
                yield Entry(name, size, long_name.startswith(b"-") if mode is None else stat.S_ISREG(mode))
    finally:
        _close(session, handle)


def content(session: SftpSession, path: bytes, offset: int) -> Generator[bytes, None, None]:
    """The bytes of a file from `offset` to the end it had when it was opened, in blocks.

    The first read goes out with the question for the size, so a small file takes two round trips; then the window
    fills. A short block that is not the end is asked for again from where it stopped.
    """
    handle = session.call(Kind.OPEN, string(path) + struct.pack(">I", _FOR_READING) + _NO_ATTRIBUTES).string()
    ahead: deque[tuple[int, int, int]] = deque()

    def ask(start: int, length: int) -> tuple[int, int, int]:
        return session.ask(Kind.READ, string(handle) + struct.pack(">QI", start, length)), start, length

    try:
        attributes = session.ask(Kind.FSTAT, string(handle))
        ahead.append(ask(offset, _BLOCK))
        end = session.answer(attributes).size_and_mode()[0] or sys.maxsize  # 0 too: some servers know no sizes
        asked, block = offset + _BLOCK, _BLOCK
        while ahead:
            number, start, length = ahead.popleft()
            if not (data := _data(session, number)):
                return
            yield data
            if len(data) < length and start + len(data) < end:
                ahead.appendleft(ask(start + len(data), length - len(data)))
                block = max(_LEAST_BLOCK, min(block, len(data)))
            while asked < end and len(ahead) < min(_MOST_REQUESTS, WINDOW // block):
                ahead.append(ask(asked, min(block, end - asked)))
                asked += block
    finally:
        session.forget(*(number for number, _, _ in ahead))
        _close(session, handle)


def small(session: SftpSession, paths: Iterable[bytes], most: int) -> list[bytes | StatusError | None]:
    """The contents of small files, asked for together: two round trips for all. None for one above `most` bytes."""
    opening = [
        session.ask(Kind.OPEN, string(path) + struct.pack(">I", _FOR_READING) + _NO_ATTRIBUTES) for path in paths
    ]
    opened: list[tuple[bytes, int, int] | StatusError] = []
    for number in opening:
        try:
            handle = session.answer(number).string()
        except StatusError as status:
            opened.append(status)
        else:
            read = session.ask(Kind.READ, string(handle) + struct.pack(">QI", 0, min(most + 1, _BLOCK)))
            opened.append((handle, session.ask(Kind.FSTAT, string(handle)), read))
    until = session.deadline()
    return [each if isinstance(each, StatusError) else _whole(session, *each, most, until) for each in opened]


def _whole(
    session: SftpSession, handle: bytes, attributes: int, read: int, most: int, until: float
) -> bytes | StatusError | None:
    """A small file whose first read is under way; a server that gives less, or knows no sizes, is asked on."""
    try:
        size = session.answer(attributes).size_and_mode()[0] or sys.maxsize  # 0 too: some servers know no sizes
        data = block = _data(session, read)
        while block and len(data) <= most and len(data) < size:
            if time.monotonic() > until:
                raise session.overrun(f"{len(data)} bytes of a small file came, and no end")
            more = struct.pack(">QI", len(data), min(most + 1 - len(data), _BLOCK))
            block = _data(session, session.ask(Kind.READ, string(handle) + more))
            data += block
    except StatusError as status:
        return status
    finally:
        session.forget(attributes, read)
        _close(session, handle)
    return data if len(data) <= most else None


def write(session: SftpSession, path: bytes, blocks: Iterable[bytes]) -> None:
    """Put blocks at a path, in place of what stands there; not whole until it returns."""
    handle = session.call(Kind.OPEN, string(path) + struct.pack(">I", _FOR_WRITING) + _NO_ATTRIBUTES).string()
    ahead: deque[int] = deque()
    try:
        for number, piece in enumerate(pieces(blocks, _LEAST_BLOCK)):
            place = struct.pack(">Q", number * _LEAST_BLOCK)
            ahead.append(session.ask(Kind.WRITE, string(handle) + place + string(piece)))
            if len(ahead) == _MOST_REQUESTS:
                session.answer(ahead.popleft())
        while ahead:
            session.answer(ahead.popleft())
    except BaseException:
        session.forget(*ahead)
        _close(session, handle)
        raise
    session.call(Kind.CLOSE, string(handle))  # a full disk may show only now


def _data(session: SftpSession, number: int) -> bytes:
    fields = _unless_at_end(session, number)
    return b"" if fields is None else fields.string()


def _unless_at_end(session: SftpSession, number: int) -> Fields | None:
    try:
        return session.answer(number)
    except StatusError as status:
        if status.code == _EOF:
            return None
        raise


def _close(session: SftpSession, handle: bytes) -> None:
    if not session.is_lost:
        session.forget(session.ask(Kind.CLOSE, string(handle)))
