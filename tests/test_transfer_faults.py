"""Connections that break, stall or lie: a clear error in time, and what came before is right."""

from __future__ import annotations

import hashlib
import itertools
import random
import socket
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from conftest import PLAIN_FTP, REMOTE, SSH, TLS, Site

from pipelines.errors import TransferError
from pipelines.transfer.base import ConnectionLostError, Endpoint, StalledError, Transport
from pipelines.transfer.connect import connect
from pipelines.transfer.sftp_files import WINDOW
from sftp_fixtures.ports import DATA_PORTS
from sftp_fixtures.proxy import Trouble, proxy
from sftp_fixtures.servers import sftp_server

CONTENT = random.Random(2).randbytes(6_000_000)
IDLE_S = 0.5
FTP = [name for name in REMOTE if name not in SSH]
PROTECTED = [*SSH, *TLS]
every_server = pytest.mark.parametrize("server", REMOTE, indirect=True)


def impatient(endpoint: Endpoint, connect_s: float = 10) -> Endpoint:
    return replace(endpoint, idle_timeout_s=IDLE_S, connect_timeout_s=connect_s)


def fails_in_time(action: Callable[[], object], trouble: Trouble, seconds: float = IDLE_S) -> str:
    """The message of the error, which is of the kind that tells this trouble from others and from a server's no."""
    began = time.monotonic()
    with pytest.raises(ConnectionLostError) as caught:
        action()
    assert isinstance(caught.value, StalledError) == (trouble is Trouble.STALL)
    assert time.monotonic() - began < seconds + 2
    return str(caught.value)


@pytest.mark.fault(2)
@every_server
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_cut_read_fails_and_goes_on_where_it_stopped(site: Site, share: float) -> None:
    site.put("a.DAT", CONTENT)
    received = bytearray()
    with proxy(site.endpoint) as between:
        with connect(between.endpoint) as transport:
            assert transport.exists("a.DAT")
            before = between.passed
            between.arm(int(share * len(CONTENT)), Trouble.CUT)
            message = fails_in_time(lambda: transport.read("a.DAT", received.extend), Trouble.CUT)
        assert "a.DAT" in message
        assert CONTENT.startswith(bytes(received))
        first = len(received)
        with connect(between.endpoint) as transport:
            assert transport.read("a.DAT", received.extend, first) == len(CONTENT) - first
        assert hashlib.sha256(received).digest() == hashlib.sha256(CONTENT).digest()
        assert between.passed - before <= 1.01 * (len(CONTENT) + WINDOW)


@pytest.mark.fault(2)
@every_server
@pytest.mark.parametrize("after", [0, 15, 300, 1_500])
def test_a_cut_before_or_during_the_log_in(site: Site, after: int) -> None:
    def work() -> None:
        with connect(between.endpoint) as transport:
            for _ in range(20):
                transport.list("")

    with proxy(impatient(site.endpoint)) as between:
        between.arm(after, Trouble.CUT)
        message = fails_in_time(work, Trouble.CUT)
    assert f"127.0.0.2:{site.endpoint.port}" in message


def listing(transport: Transport) -> object:
    return transport.list("")


def reading(transport: Transport) -> object:
    return transport.read("a.DAT", len)


def writing(transport: Transport) -> object:
    return transport.write("b.REJ", [CONTENT] * 3)


def moving(transport: Transport) -> object:
    return transport.rename("a.DAT", "backup/a.DAT")


@pytest.mark.fault(2)
@every_server
@pytest.mark.parametrize("action", [listing, writing, moving])
@pytest.mark.parametrize("after", [0, 40, 120])
def test_a_cut_of_anything_else_leaves_every_file_in_one_place(
    site: Site, action: Callable[[Transport], object], after: int
) -> None:
    site.put("a.DAT", CONTENT)
    with proxy(site.endpoint) as between, connect(between.endpoint) as transport:
        between.arm(after, Trouble.CUT)
        with suppress(TransferError):  # the last answer may be shorter than that
            action(transport)
    assert (site.directory / "a.DAT").exists() != (site.directory / "backup/a.DAT").exists()
    assert not (site.directory / "b.REJ").exists() or (site.directory / "b.REJ").read_bytes() == CONTENT * 3


@pytest.mark.fault(3)
@every_server
@pytest.mark.parametrize("action", [listing, reading, writing, moving])
def test_a_server_that_stalls_is_left_after_the_idle_timeout(site: Site, action: Callable[[Transport], object]) -> None:
    site.put("a.DAT", CONTENT)
    with proxy(impatient(site.endpoint)) as between, connect(between.endpoint) as transport:
        between.arm(1_000_000 if action is reading else 20, Trouble.STALL)
        message = fails_in_time(lambda: action(transport), Trouble.STALL)
    assert f"127.0.0.2:{site.endpoint.port}" in message
    assert (site.directory / "a.DAT").exists() or action is moving


@pytest.mark.fault(3)
@pytest.mark.parametrize("server", FTP, indirect=True)
@pytest.mark.parametrize("after", [0, 1_200])
def test_an_ftp_server_that_stalls_before_or_during_the_log_in(site: Site, after: int) -> None:
    def work() -> None:
        with connect(between.endpoint) as transport:
            for _ in range(20):
                transport.list("")

    with proxy(impatient(site.endpoint, connect_s=1)) as between:
        between.arm(after, Trouble.STALL)
        fails_in_time(work, Trouble.STALL, seconds=1)


@pytest.mark.fault(2, 3)
@pytest.mark.parametrize("server", SSH, indirect=True)
@pytest.mark.parametrize("trouble", [Trouble.CUT, Trouble.STALL])
def test_an_ssh_log_in_may_break_at_every_answer(site: Site, trouble: Trouble) -> None:
    with proxy(site.endpoint) as between:
        connect(between.endpoint).close()
        answers = list(between.chunks)
    assert len(answers) > 5
    connect_s = 0.3 if trouble is Trouble.STALL else 5  # a busy machine needs a while to log in
    for number in range(len(answers)):
        with proxy(impatient(site.endpoint, connect_s=connect_s)) as between:
            between.arm(sum(answers[:number]), trouble)
            fails_in_time(lambda: connect(between.endpoint).list(""), trouble, seconds=1)


@pytest.mark.parametrize("server", PROTECTED, indirect=True)
def test_a_byte_that_was_changed_on_the_way_is_noticed(site: Site) -> None:
    site.put("a.DAT", CONTENT)
    received = bytearray()
    with proxy(impatient(site.endpoint)) as between, connect(between.endpoint) as transport:
        between.arm(1_000_000, Trouble.CORRUPT)
        fails_in_time(lambda: transport.read("a.DAT", received.extend), Trouble.CORRUPT)
    assert len(received) < len(CONTENT)
    assert CONTENT.startswith(bytes(received))


@pytest.mark.fault(2)
@pytest.mark.parametrize("server", SSH, indirect=True)
def test_a_byte_that_was_changed_during_the_log_in_is_an_error_of_the_connection(site: Site) -> None:
    """Whatever the library met in the damaged packet. Some bytes are padding, or belong to what is not asked for."""
    with proxy(site.endpoint) as between:
        connect(between.endpoint).close()
        needed = between.passed
    noticed = 0
    for after in range(5, needed, max(needed // 40, 1)):
        with proxy(impatient(site.endpoint, connect_s=0.3)) as between:
            between.arm(after, Trouble.CORRUPT)
            with suppress(TransferError), connect(between.endpoint) as transport:
                noticed -= 1
                transport.list("")
            noticed += 1
    assert noticed > 30


@pytest.mark.parametrize("server", PLAIN_FTP, indirect=True)
def test_plain_ftp_notices_no_changed_byte_so_the_digest_must(site: Site) -> None:
    site.put("a.DAT", CONTENT)
    received = bytearray()
    with proxy(site.endpoint) as between, connect(between.endpoint) as transport:
        between.arm(1_000_000, Trouble.CORRUPT)
        assert transport.read("a.DAT", received.extend) == len(CONTENT)
    assert received != CONTENT


@pytest.mark.parametrize("server", SSH, indirect=True)
def test_reads_that_are_given_up_leave_an_sftp_connection_clean(site: Site) -> None:
    site.put("a.DAT", CONTENT)
    site.put("b.DAT", b"12345")

    blocks = itertools.count(1)

    def sink(block: bytes) -> None:
        if next(blocks) % 3 == 0:  # the window is full by now
            raise ValueError("enough")

    tracemalloc.start()
    with connect(site.endpoint) as transport:
        for _ in range(20):
            with pytest.raises(ValueError, match="enough"):
                transport.read("a.DAT", sink)
            assert transport.read("b.DAT", len) == 5
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert held < 4 * WINDOW


@pytest.mark.parametrize("server", ["vsftpd", "vsftpd_tls"], indirect=True)  # others take any port then
def test_an_ftp_server_without_a_free_port_for_data_is_a_lost_connection(site: Site) -> None:
    site.put("a.DAT", b"12345")
    with ExitStack() as taken, connect(site.endpoint) as transport:
        for number in range(1, DATA_PORTS + 1):
            with suppress(OSError):  # one that a connection which was cut before has taken is not free either
                taken.enter_context(socket.create_server((site.endpoint.host, site.endpoint.port + number)))
        with pytest.raises(ConnectionLostError):
            transport.read("a.DAT", len)
    with connect(site.endpoint) as transport:
        assert transport.read("a.DAT", len) == 5


class Meagre(asyncssh.SFTPServer):
    """Gives less than was asked for, and knows neither sizes nor OpenSSH's rename."""

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        content = super().read(file_obj, offset, min(size, 20_000))
        assert isinstance(content, bytes)
        return content

    def fstat(self, file_obj: object) -> asyncssh.SFTPAttrs:
        return asyncssh.SFTPAttrs()

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPOpUnsupported("no such request")


@pytest.mark.fault(4)
def test_an_sftp_server_that_gives_less_than_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.DAT").write_bytes(CONTENT)
    received = bytearray()
    with sftp_server(tmp_path, files=Meagre) as endpoint, connect(endpoint) as transport:
        assert transport.read("a.DAT", received.extend) == len(CONTENT)
        assert received == CONTENT
        with pytest.raises(TransferError, match="no such request"):
            transport.write("b.DAT", [b"1"])


@pytest.mark.fault(4)
def test_a_file_that_grows_is_read_to_the_end_it_had(tmp_path: Path) -> None:
    file = tmp_path / "a.DAT"
    file.write_bytes(CONTENT)
    count = 0

    def sink(block: bytes) -> None:
        nonlocal count
        count += len(block)
        with file.open("ab") as growing:
            growing.write(b"x" * 200_000)

    with sftp_server(tmp_path) as endpoint, connect(endpoint) as transport:
        assert transport.read("a.DAT", sink) == len(CONTENT) == count


@pytest.mark.fault(3)
def test_other_sources_go_on_while_one_stalls(tmp_path: Path) -> None:
    """A stalled connection holds nothing that another one needs."""
    (tmp_path / "a.DAT").write_bytes(CONTENT)
    with sftp_server(tmp_path) as endpoint, proxy(impatient(endpoint)) as between, connect(between.endpoint) as stalled:
        between.arm(1_000_000, Trouble.STALL)
        with connect(endpoint) as other:
            fails_in_time(lambda: stalled.read("a.DAT", len), Trouble.STALL)
            assert other.read("a.DAT", len) == len(CONTENT)
