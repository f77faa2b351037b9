"""Directory listings of FTP servers: MLSD where there is one, else what `ls -l` prints."""

from __future__ import annotations

import re
import time
from socket import socket

from pipelines.transfer.base import GRACE, MOST_ENTRIES, OverrunError, RemoteFile
from pipelines.transfer.paths import name_of

_BLOCK = 64 * 1024
_MOST_BYTES = 128 * MOST_ENTRIES
# type and rights, links, owner, group, size (of a device: two numbers), three words of date, one space, name
_LONG = re.compile(rb"([bcdlps-])\S{9,10}\s+\d+\s+\S+\s+\S+\s+(\d+|\d+,\s*\d+)\s+\S+\s+\S+\s+\S+ (.+)", re.DOTALL)


def receive(connection: socket, directory: str, idle_timeout_s: float) -> bytes:
    """The bytes of a listing to its end; OverrunError where there may be none."""
    parts, size, until = [], 0, time.monotonic() + GRACE * idle_timeout_s
    while part := connection.recv(_BLOCK):
        parts.append(part)
        size += len(part)
        if size > _MOST_BYTES or time.monotonic() > until:
            raise OverrunError(f"{directory}: {size} bytes of a listing, and no end; ask the server's operator")
    return b"".join(parts)


def lines_of(listing: bytes) -> list[bytes]:
    """The lines of a listing; a lone CR is part of a name, and so is a lone LF where lines end as they must (CRLF)."""
    if listing.endswith(b"\r\n"):
        return [line for line in listing.split(b"\r\n") if line.strip()]
    return [line.removesuffix(b"\r") for line in listing.split(b"\n") if line.strip()]


def size_of(said: bytes) -> int | None:
    """A size as a server writes it; None for what is none, or is beyond all files."""
    return int(said) if re.fullmatch(rb"[0-9]{1,18}", said) else None


def parse_mlsd(listing: bytes) -> list[RemoteFile]:
    """The entries of an MLSD listing (RFC 3659): `type=file;size=5; NAME`, without the directory and its parent."""
    files = []
    for line in lines_of(listing):
        words, _, name = line.partition(b" ")
        facts = dict(fact.lower().partition(b"=")[::2] for fact in words.split(b";"))
        if facts.get(b"type") in {b"cdir", b"pdir"}:
            continue
        files.append(RemoteFile(name_of(name), size_of(facts.get(b"size", b"")), facts.get(b"type") == b"file"))
    return files


def parse_long(listing: bytes) -> list[RemoteFile] | None:
    """The entries of a listing as `ls -l` prints it; None where a line has another form."""
    files = []
    for line in lines_of(listing):
        if re.fullmatch(rb"total \d+", line):
            continue
        match = _LONG.fullmatch(line)
        if match is None:
            return None
        kind, size, name = match.groups()
        if kind == b"l":
            name = name.partition(b" -> ")[0]
        files.append(RemoteFile(name_of(name), size_of(size), kind == b"-"))
    return files


def is_itself(listed: list[RemoteFile], directory: str) -> bool:
    """Whether a long listing shows the directory that was asked for, as vsftpd does with one that it may not read.

    One that holds nothing but a directory of its own name looks the same.
    """
    own = directory.rpartition("/")[2]
    return own != "" and [(file.name.rpartition("/")[2], file.is_regular) for file in listed] == [(own, False)]


def narrowed(files: list[RemoteFile], listed: list[RemoteFile] | None) -> list[RemoteFile]:
    """The files, regular only where the long listing of the same directory does not say otherwise.

    MLSD of some servers calls links and FIFOs files, as RFC 3659 has it that links are followed.
    """
    others = {file.name for file in listed or () if not file.is_regular}
    return [RemoteFile(file.name, file.size, file.is_regular and file.name not in others) for file in files]
