"""Servers whose answers are odd, by fault or on purpose: one file or one source bears it, and no other."""

from __future__ import annotations

import itertools
import os
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from conftest import PLAIN_FTP, Site
from hostile_servers import ftp, packet, sftp, sound
from offers import GOOD, NOW, in_ledger, states, take
from running import make_home

import pipelines.transfer.sftp_session
from pipelines.errors import TransferError
from pipelines.transfer.base import RemoteFile, StalledError, TargetExistsError
from pipelines.transfer.connect import connect
from pipelines.transfer.sftp_session import Kind, string
from pipelines.transfer.steady import steady
from sftp_fixtures.servers import ftp_server, sftp_server

LINE_ENDS = [
    b"a\nb.DAT", b"c\ntype=file;size=1; d.DAT", b"e\n-rw-r--r-- 1 a a 5 Nov 22 10:00 f.DAT", b"g\rh.DAT", b"i.DAT"
]  # fmt: skip


class Twice(asyncssh.SFTPServer):
    """Lists everything twice."""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        async for entry in super().scandir(path):
            yield entry
            yield entry


@pytest.mark.fault(17)
def test_a_name_that_is_listed_twice_is_one_file(tmp_path: Path) -> None:
    root = tmp_path / "remote"
    GOOD.put(root)
    for name in ("outgoing/PAYM/note.txt", "outgoing/note.txt"):
        (root / name).write_bytes(b"x")
    with sftp_server(root, files=Twice) as endpoint:
        home = make_home(tmp_path / "home", endpoint)
        ran = take(home, NOW)
    assert ran.exit_status == 0, ran.err
    assert states(home) == [("0001_00", "loaded", None)]
    assert in_ledger(home, "select directory, file_name from left_file order by 1") == [
        ("outgoing", "note.txt"), ("outgoing/PAYM", "note.txt"),
    ]  # fmt: skip


@pytest.mark.parametrize("server", PLAIN_FTP, indirect=True)
def test_a_line_end_in_a_name_makes_no_other_name(site: Site) -> None:
    for name in LINE_ENDS:
        site.put(os.fsdecode(b"PAYM/" + name), b"x")
    with connect(site.endpoint) as transport:
        found = {os.fsencode(file.name) for file in transport.list("PAYM")}
    assert found == set(LINE_ENDS)


def test_a_name_that_no_server_can_be_asked_for_ends_no_listing(tmp_path: Path) -> None:
    (tmp_path / "PAYM").mkdir()
    for name in LINE_ENDS:
        (tmp_path / os.fsdecode(b"PAYM/" + name)).write_bytes(b"x")
    with ftp_server(tmp_path, without=["MLSD", "LIST"]) as endpoint, connect(endpoint) as transport:
        found = {os.fsencode(file.name): file.is_regular for file in transport.list("PAYM")}
    assert found == {name: name == b"i.DAT" for name in LINE_ENDS}


@pytest.mark.parametrize("answer", [b"213 many", b"213 -5", b"213 1_0", b"213 " + b"9" * 5000, b"213", b"200 ok"])
def test_a_size_that_is_none_is_not_known(answer: bytes) -> None:
    def lines(command: str) -> Iterator[bytes]:
        yield from iter([answer + b"\r\n"]) if command == "SIZE" else sound(command)

    def data() -> Iterator[bytes]:
        yield b"type=file;size=3; x.DAT\r\n"

    with ftp(lines, data) as endpoint, connect(endpoint) as transport:
        assert transport.read("x.DAT", len) == len(next(data()))
        assert transport.exists("x.DAT"), "as it is listed"
        assert not transport.exists("y.DAT")
        with pytest.raises(TargetExistsError):
            transport.rename("y.DAT", "x.DAT")


@pytest.mark.parametrize("size", [b"9" * 19, b"9" * 5000])
@pytest.mark.parametrize("command", ["MLSD", "LIST"])
def test_a_listed_size_beyond_all_files_is_not_known(command: str, size: bytes) -> None:
    lines_by_command = {
        "MLSD": b"type=file;size=%b; a.DAT\r\ntype=file;size=5; b.DAT\r\n",
        "LIST": b"-rw-r--r-- 1 a a %b Nov 22 10:00 a.DAT\r\n-rw-r--r-- 1 a a 5 Nov 22 10:00 b.DAT\r\n",
    }

    def lines(asked: str) -> Iterator[bytes]:
        listings = {"MLSD": b"502 no\r\n", "LIST": b"502 no\r\n"} | {command: b"150 here\r\n"}
        yield from [listings[asked]] if asked in listings else sound(asked)

    with ftp(lines, lambda: iter([lines_by_command[command] % size])) as endpoint, connect(endpoint) as transport:
        assert transport.list("PAYM") == [
            RemoteFile("a.DAT", None, is_regular=True), RemoteFile("b.DAT", 5, is_regular=True),
        ]  # fmt: skip


@pytest.mark.parametrize("port", [b"256,0", b"999,999", b"9" * 4500 + b",1"])
def test_a_port_that_is_none_is_an_error_of_that_server(port: bytes) -> None:
    """Where its data connections are to go: six numbers, of which the last two are the port."""
    with (
        ftp(sound, lambda: iter([b"abc"]), b"127,0,0,1," + port) as endpoint,
        connect(endpoint) as transport,
        pytest.raises(TransferError),
    ):
        transport.read("x.DAT", len)


def test_a_size_that_a_server_only_mentions_may_be_none() -> None:
    def lines(command: str) -> Iterator[bytes]:
        yield from [b"150 x (" + b"9" * 5000 + b" bytes)\r\n"] if command == "RETR" else sound(command)

    with ftp(lines, lambda: iter([b"abc"])) as endpoint, connect(endpoint) as transport:
        assert transport.read("x.DAT", len) == 3


def entries(number: bytes, *names: bytes) -> bytes:
    """An answer of SFTP that lists regular files without attributes."""
    listed = b"".join(string(name) + string(b"-rw-r--r--") + struct.pack(">I", 0) for name in names)
    return packet(Kind.NAME, number + struct.pack(">I", len(names)) + listed)


def test_an_answer_without_entries_is_the_end_of_a_listing() -> None:
    came = 0

    def pages(number: bytes) -> Iterator[bytes]:
        nonlocal came
        came += 1
        yield entries(number, b"a.DAT") if came == 1 else entries(number)

    with sftp(pages) as endpoint, connect(endpoint) as transport:
        assert transport.list("PAYM") == [RemoteFile("a.DAT", None, is_regular=True)]
    assert came == 2


def one_by_one(number: bytes) -> Iterator[bytes]:
    yield b""
    yield entries(number, b"a.DAT")


def byte_by_byte(number: bytes) -> Iterator[bytes]:
    yield struct.pack(">IB", 1000, Kind.NAME) + number
    yield from itertools.repeat(b"x")


def in_bits(number: bytes) -> Iterator[bytes]:
    yield b""
    yield packet(Kind.DATA, number + string(b"x"))


@pytest.mark.fault(3)
@pytest.mark.parametrize("pages", [one_by_one, byte_by_byte, in_bits])
def test_an_sftp_server_that_drips_is_given_up_although_it_is_never_idle(
    monkeypatch: pytest.MonkeyPatch, pages: Callable[[bytes], Iterator[bytes]]
) -> None:
    monkeypatch.setattr(pipelines.transfer.sftp_session, "GRACE", 1)
    began = time.monotonic()
    with (
        sftp(pages) as endpoint,
        steady(replace(endpoint, idle_timeout_s=1.0)) as transport,
        pytest.raises(StalledError),
    ):
        transport.read_small(["a.CHK"], 4096) if pages is in_bits else transport.list("PAYM")
    assert time.monotonic() - began < 10
