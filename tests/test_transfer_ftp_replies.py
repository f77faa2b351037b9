"""FTP servers that speak otherwise than most: what they mean is understood, and no good file is lost by it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import PLAIN_FTP, Site
from hostile_servers import ftp, sound
from pyftpdlib.handlers import FTPHandler

from pipelines.errors import TransferError
from pipelines.transfer.base import ConnectionLostError, RemoteFile, RemoteMissingError, StalledError
from pipelines.transfer.connect import connect
from pipelines.transfer.steady import steady
from sftp_fixtures.servers import ftp_server

IN_USE = "550 The process cannot access the file because it is being used by another process."


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[..., Any]], None]:
    """Has the next server answer a command otherwise: given the handler, its own answer and the path."""

    def change(name: str, answer: Callable[..., Any]) -> None:
        own = getattr(FTPHandler, f"ftp_{name}")
        monkeypatch.setattr(FTPHandler, f"ftp_{name}", lambda handler, path: answer(handler, own, path))

    return change


@pytest.mark.fault(24)
def test_a_new_file_that_cannot_take_its_place_leaves_the_old_one(tmp_path: Path, commands: Any) -> None:
    def refuse(handler: Any, own: Any, path: str) -> Any:
        return handler.respond(IN_USE)

    (tmp_path / "a.END").write_bytes(b"old")
    commands("RNTO", refuse)
    with (
        ftp_server(tmp_path) as endpoint,
        connect(endpoint) as transport,
        pytest.raises(TransferError, match="used by another process"),
    ):
        transport.write("a.END", [b"new"])
    assert (tmp_path / "a.END").read_bytes() == b"old"


@pytest.mark.fault(24)
def test_a_new_file_that_was_taken_away_leaves_the_old_one(tmp_path: Path, commands: Any) -> None:
    def take_away(handler: Any, own: Any, path: str) -> Any:
        Path(path).unlink(missing_ok=True)
        return own(handler, path)

    (tmp_path / "a.END").write_bytes(b"old")
    commands("RNFR", lambda *each: take_away(*each) if each[2].endswith("a.END.tmp") else each[1](each[0], each[2]))
    with ftp_server(tmp_path) as endpoint, connect(endpoint) as transport, pytest.raises(TransferError):
        transport.write("a.END", [b"new"])
    assert (tmp_path / "a.END").read_bytes() == b"old"


@pytest.mark.fault(24)
@pytest.mark.parametrize("is_locked", [False, True])
def test_ftp_that_renames_over_nothing_keeps_the_old_file_until_the_new_one_stands(
    tmp_path: Path, commands: Any, is_locked: bool
) -> None:
    def over_nothing(handler: Any, own: Any, path: str) -> Any:
        is_new = is_locked and handler._rnfr.endswith("a.END.tmp")
        return handler.respond("550 exists") if is_new or Path(path).exists() else own(handler, path)

    (tmp_path / "a.END").write_bytes(b"old")
    (tmp_path / "a.END.old.tmp").write_bytes(b"left by a run that was killed")
    commands("RNTO", over_nothing)
    with ftp_server(tmp_path) as endpoint, connect(endpoint) as transport:
        if is_locked:
            with pytest.raises(TransferError, match="550 exists"):
                transport.write("a.END", [b"new"])
            assert (tmp_path / "a.END").read_bytes() == b"old"
        else:
            transport.write("a.END", [b"new"])
            assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.END": b"new"}


def answering(reply: bytes) -> Callable[[str], Iterator[bytes]]:
    def lines(command: str) -> Iterator[bytes]:
        yield from [reply + b"\r\n"] if command == "RETR" else sound(command)

    return lines


@pytest.mark.parametrize(
    ("reply", "is_missing", "says"),
    [
        (IN_USE.encode(), False, "used by another process"),
        (b"550 Operation not permitted", False, "not permitted"),
        (b"550 Read-only file system", False, "Read-only"),
        (b"550 quota exceeded", False, "quota"),
        (b"550 No space left on device", False, "No space"),
        (b"550 Too many open files", False, "Too many open"),
        (b"550 Input/output error", False, "Input/output"),
        (b"550 Stale file handle", False, "Stale"),
        (b"550 Failed to open file.", True, "or it may not be read: the server says 550 Failed to open file"),
        (b"550 quota.DAT: No such file or directory", True, "quota.DAT: no such file;"),
        (b"450 quota.DAT: No such file or directory", True, "quota.DAT: no such file;"),
        (b"450 File busy", False, "450 File busy"),
    ],
)
def test_what_a_no_of_a_read_means(reply: bytes, is_missing: bool, says: str) -> None:
    with (
        ftp(answering(reply), lambda: iter([b""])) as endpoint,
        connect(endpoint) as transport,
        pytest.raises(TransferError, match=says) as caught,
    ):
        transport.read("quota.DAT", len)
    assert isinstance(caught.value, RemoteMissingError) == is_missing
    assert not isinstance(caught.value, ConnectionLostError)


def test_a_directory_that_is_listed_in_place_of_what_it_holds_is_a_refusal() -> None:
    """As vsftpd answers of a directory that it may not read."""

    def lines(command: str) -> Iterator[bytes]:
        yield from [b"150 here\r\n"] if command == "LIST" else [b"502 no\r\n"] if command == "MLSD" else sound(command)

    line = b"drwx------    2 0        0            4096 Nov 22 10:00 PAYM\r\n"
    with ftp(lines, lambda: iter([line])) as endpoint, connect(endpoint) as transport:
        with pytest.raises(TransferError, match="outgoing/PAYM: the server lists the directory itself"):
            transport.list("outgoing/PAYM")
        assert transport.list("outgoing") == [RemoteFile("PAYM", 4096, is_regular=False)]


def test_a_size_that_is_larger_than_the_file_is_that_files_fault_alone(tmp_path: Path, commands: Any) -> None:
    (tmp_path / "a.DAT").write_bytes(b"12345")
    (tmp_path / "b.DAT").write_bytes(b"12345")

    def lie(handler: Any, own: Any, path: str) -> Any:
        return handler.respond("213 99999") if path.endswith("a.DAT") else own(handler, path)

    commands("SIZE", lie)
    with ftp_server(tmp_path) as endpoint, steady(replace(endpoint, retries=1, retry_wait_s=0.05)) as transport:
        with pytest.raises(
            TransferError, match="its size is 99999 bytes as the server says, and after 5 none"
        ) as caught:
            transport.read("a.DAT", len)
        assert not isinstance(caught.value, ConnectionLostError)
        lying, sound_one = transport.read_small(["a.DAT", "b.DAT"], 100)
        assert "its size is 99999 bytes" in str(lying)
        assert sound_one == b"12345"


def test_a_server_that_gives_names_alone(tmp_path: Path) -> None:
    (tmp_path / "PAYM").mkdir()
    (tmp_path / "PAYM/a.DAT").write_bytes(b"12345")
    with ftp_server(tmp_path, without=["MLSD", "LIST", "SIZE"]) as endpoint, connect(endpoint) as transport:
        assert transport.list("PAYM") == [RemoteFile("a.DAT", None, is_regular=True)]
        assert transport.exists("PAYM/a.DAT")
        assert not transport.exists("PAYM/b.DAT")
        assert transport.read("PAYM/a.DAT", len) == 5


@pytest.mark.parametrize("without", [[], ["MLSD"], ["MLSD", "LIST"]])
def test_an_empty_directory_may_be_said_to_have_no_files(tmp_path: Path, commands: Any, without: list[str]) -> None:
    def none(handler: Any, own: Any, path: str) -> Any:
        return own(handler, path) if os.listdir(path) else handler.respond("450 No files found")

    (tmp_path / "PAYM").mkdir()
    commands("LIST", none)
    commands("NLST", none)
    with ftp_server(tmp_path, without=without) as endpoint, connect(endpoint) as transport:
        assert transport.list("PAYM") == []
        assert [file.name for file in transport.list("")] == ["PAYM"]


@pytest.mark.parametrize("server", PLAIN_FTP, indirect=True)
def test_files_are_no_directories_that_may_not_be_read(site: Site) -> None:
    (site.directory / "PAYM/PAYM.DAT").mkdir(parents=True)
    site.put("CUST/CUST", b"1")
    with connect(site.endpoint) as transport:
        assert [file.name for file in transport.list("PAYM")] == ["PAYM.DAT"]
        assert [file.name for file in transport.list("CUST")] == ["CUST"]


@pytest.mark.parametrize("is_filtered", [False, True])
def test_a_passive_port_that_cannot_be_reached_is_named(tmp_path: Path, commands: Any, is_filtered: bool) -> None:
    waiting: list[socket.socket] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        if is_filtered:  # its queue is full: what comes further is dropped
            listener.listen(0)
            for _ in range(3):
                waiting.append(socket.socket())
                waiting[-1].setblocking(False)
                waiting[-1].connect_ex(listener.getsockname())
        commands("PASV", lambda handler, *_: handler.respond(f"227 ok (127,0,0,1,{port >> 8},{port & 255})."))
        said = f"no data connection to passive port {port}: .*firewall"
        with (
            ftp_server(tmp_path) as endpoint,
            connect(replace(endpoint, connect_timeout_s=1)) as transport,
            pytest.raises(ConnectionLostError, match=said) as caught,
        ):
            transport.list("")
    for each in waiting:
        each.close()
    assert isinstance(caught.value, StalledError) == is_filtered
