"""A steady connection outlives cuts in every phase, gives up what it must, and does nothing twice."""

from __future__ import annotations

import ctypes
import gc
import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import REMOTE, SSH, Site

from pipelines.errors import HostKeyError, TransferError
from pipelines.transfer.base import (
    ConnectionLostError,
    Endpoint,
    RemoteMissingError,
    StalledError,
    TargetExistsError,
    Transport,
    UnreachableError,
)
from pipelines.transfer.sftp_files import WINDOW
from pipelines.transfer.steady import SteadyTransport, steady
from sftp_fixtures.proxy import Proxy, Trouble, proxy
from sftp_fixtures.servers import ftp_server, sftp_server

CONTENT = random.Random(3).randbytes(6_000_000)
every_server = pytest.mark.parametrize("server", REMOTE, indirect=True)


def quick(endpoint: Endpoint, retries: int = 3) -> Endpoint:
    return replace(endpoint, retries=retries, retry_wait_s=0.02, idle_timeout_s=5)


@pytest.fixture
def between(site: Site) -> Iterator[Proxy]:
    with proxy(quick(site.endpoint)) as made:
        yield made


def read_whole(transport: Transport) -> None:
    digest = hashlib.sha256()
    assert transport.read("a.DAT", digest.update) == len(CONTENT)
    assert digest.digest() == hashlib.sha256(CONTENT).digest()


@pytest.mark.fault(2)
@every_server
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_cut_read_goes_on_and_costs_a_window_at_most(site: Site, between: Proxy, share: float) -> None:
    site.put("a.DAT", CONTENT)
    with steady(between.endpoint) as transport:
        assert transport.exists("a.DAT")
        before = between.passed
        between.arm(int(share * len(CONTENT)), Trouble.CUT)
        read_whole(transport)
    assert between.troubles == 1
    assert between.passed - before <= 1.01 * (len(CONTENT) + WINDOW)


@pytest.mark.fault(2)
@every_server
@pytest.mark.parametrize("after", [0, 15, 300, 1_500])
def test_a_cut_of_the_new_connection_at_its_banner_or_log_in_is_only_another_cut(
    site: Site, between: Proxy, after: int
) -> None:
    site.put("a.DAT", CONTENT)
    with steady(between.endpoint) as transport:
        between.arm(3_000_000, Trouble.CUT, again=[after])
        read_whole(transport)
    assert between.troubles == 2


def make_files(site: Site) -> None:
    site.put("a.DAT", b"12345")
    site.put("old.RCP", b"old")


def listing(transport: Transport) -> None:
    assert {file.name for file in transport.list("")} >= {"a.DAT", "old.RCP"}


def looking(transport: Transport) -> None:
    assert transport.exists("a.DAT")


def reading(transport: Transport) -> None:
    content = bytearray()
    assert transport.read("a.DAT", content.extend) == 5
    assert content == b"12345"


def writing(transport: Transport) -> None:
    transport.write("new/b.RCP", [b"one", b"two"])
    transport.write("old.RCP", [b"new"])


def moving(transport: Transport) -> None:
    transport.rename("a.DAT", "backup/a.DAT")


def removing(transport: Transport) -> None:
    transport.remove("a.DAT")


LEFT = {
    listing: {"a.DAT": b"12345", "old.RCP": b"old"},
    looking: {"a.DAT": b"12345", "old.RCP": b"old"},
    reading: {"a.DAT": b"12345", "old.RCP": b"old"},
    writing: {"a.DAT": b"12345", "old.RCP": b"new", "new/b.RCP": b"onetwo"},
    moving: {"backup/a.DAT": b"12345", "old.RCP": b"old"},
    removing: {"old.RCP": b"old"},
}


def files_of(directory: Path) -> dict[str, bytes]:
    return {str(file.relative_to(directory)): file.read_bytes() for file in directory.rglob("*") if file.is_file()}


def at_every_answer(site: Site, action: Callable[[Transport], None]) -> Iterator[int]:
    """How many bytes the server sends before each of its answers to the action."""
    make_files(site)
    with proxy(quick(site.endpoint)) as between, steady(between.endpoint) as transport:
        transport.list("")
        first = len(between.chunks)
        action(transport)
        sizes = between.chunks[first:]
    yield from {sum(sizes[:number]) for number in range(len(sizes))}
    yield sum(sizes) - 1  # the last byte: with FTP and FTPS the reply that closes the transfer


@pytest.mark.fault(2)
@every_server
@pytest.mark.parametrize("action", LEFT)
def test_whatever_is_cut_at_whatever_answer_is_done_once(site: Site, action: Callable[[Transport], None]) -> None:
    cuts = 0
    for after in at_every_answer(site, action):
        for file in files_of(site.directory):
            (site.directory / file).unlink()
        make_files(site)
        with proxy(quick(site.endpoint)) as between, steady(between.endpoint) as transport:
            transport.list("")
            between.arm(after, Trouble.CUT)
            action(transport)
            looking_on = transport.list("")  # and the connection is of use, though the cut may have come last
            assert "old.RCP" in {file.name for file in looking_on}
            cuts += between.troubles
        assert files_of(site.directory) == LEFT[action]
    assert cuts > 0


@pytest.mark.fault(3)
@every_server
def test_a_stall_ends_the_call_in_time_and_the_next_one_connects_anew(site: Site) -> None:
    site.put("a.DAT", CONTENT)
    with (
        proxy(replace(quick(site.endpoint), idle_timeout_s=0.5)) as between,
        steady(between.endpoint) as transport,
    ):
        between.arm(1_000_000, Trouble.STALL)
        began = time.monotonic()
        with pytest.raises(StalledError):
            transport.read("a.DAT", len)
        assert time.monotonic() - began < 2.5
        assert between.troubles == 1
        between.flow()
        read_whole(transport)


@pytest.mark.parametrize("server", SSH, indirect=True)
def test_retries_are_counted_anew_once_bytes_came(site: Site) -> None:
    site.put("a.DAT", CONTENT)
    with proxy(quick(site.endpoint, retries=1)) as between, steady(between.endpoint) as transport:
        between.arm(1_000_000, Trouble.CUT, again=[1_000_000] * 4)
        read_whole(transport)
    assert between.troubles == 5


@every_server
def test_a_connection_that_is_used_for_long_needs_no_more_memory(site: Site) -> None:
    site.put("a.DAT", CONTENT[:1000])
    with steady(site.endpoint) as transport:

        def needed_kb(reads: int) -> int:
            for _ in range(reads):
                transport.read("a.DAT", len)
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)
            said = Path("/proc/self/status").read_text()
            return int(said.partition("VmRSS:")[2].split()[0])

        needed = [needed_kb(reads) for reads in (50, 400, 400, 400)]
    # What leaks does so in every round; what else the process does may need more in one.
    assert min(after - before for before, after in pairwise(needed)) < 1000, needed


@pytest.mark.parametrize("serve", [sftp_server, ftp_server])
def test_without_progress_the_last_error_stands_after_growing_waits(
    tmp_path: Path, serve: Callable[[Path], AbstractContextManager[Endpoint]]
) -> None:
    with serve(tmp_path) as endpoint:
        transport = steady(replace(endpoint, retries=3, retry_wait_s=0.1))
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="Connection refused"):
        transport.list("")
    assert 0.1 + 0.2 + 0.4 <= time.monotonic() - began < 3


def test_without_retries_a_cut_passes_and_the_next_call_connects_anew(tmp_path: Path) -> None:
    (tmp_path / "a.DAT").write_bytes(CONTENT)
    with (
        sftp_server(tmp_path) as endpoint,
        proxy(quick(endpoint, retries=0)) as between,
        steady(between.endpoint) as transport,
    ):
        between.arm(1_000_000, Trouble.CUT)
        with pytest.raises(ConnectionLostError):
            transport.read("a.DAT", len)
        assert between.connections == 1
        read_whole(transport)
        assert between.connections == 2


@every_server
def test_the_first_connection_is_not_tried_again(site: Site, between: Proxy) -> None:
    with pytest.raises(TransferError, match="the log-in was refused"):
        steady(replace(between.endpoint, secret="Wr0ng-s3cret", key_file=None))
    between.arm(0, Trouble.CUT)
    with pytest.raises(ConnectionLostError):
        steady(between.endpoint)
    assert between.connections == 2


@pytest.mark.fault(16)
def test_another_host_key_on_the_way_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.DAT").write_bytes(CONTENT)
    log = tmp_path / "log"
    with (
        sftp_server(tmp_path) as endpoint,
        sftp_server(tmp_path, log) as other,
        proxy(quick(endpoint)) as between,
        steady(between.endpoint) as transport,
    ):
        between.lead_to(other)
        between.arm(1_000_000, Trouble.CUT)
        with pytest.raises(HostKeyError):
            transport.read("a.DAT", len)
        assert between.connections == 2
    assert not log.exists()  # nobody tried to log in


@every_server
def test_a_no_of_the_server_passes_at_once(site: Site, between: Proxy) -> None:
    make_files(site)
    with steady(between.endpoint) as transport:
        with pytest.raises(RemoteMissingError):
            transport.read("gone.DAT", len)
        with pytest.raises(RemoteMissingError):
            transport.rename("gone.DAT", "backup/gone.DAT")
        with pytest.raises(RemoteMissingError):
            transport.remove("gone.DAT")
        with pytest.raises(TargetExistsError):
            transport.rename("a.DAT", "old.RCP")
    assert files_of(site.directory) == {"a.DAT": b"12345", "old.RCP": b"old"}


def test_blocks_that_can_be_had_only_once_are_refused(tmp_path: Path) -> None:
    with steady(Endpoint("file", root=str(tmp_path))) as transport:
        with pytest.raises(AssertionError, match="gone through again"):
            transport.write("a.REJ", iter([b"1"]))
        transport.write("a.REJ", [b"1"])
    with pytest.raises(ConnectionLostError, match="it was closed"):
        transport.list("")


def test_an_error_of_the_sink_is_not_tried_again(tmp_path: Path) -> None:
    (tmp_path / "a.DAT").write_bytes(CONTENT)
    calls: list[int] = []

    def sink(block: bytes) -> None:
        calls.append(len(block))
        raise OSError("disk full")

    with (
        sftp_server(tmp_path) as endpoint,
        SteadyTransport(quick(endpoint)) as transport,
        pytest.raises(OSError, match="disk full"),
    ):
        transport.read("a.DAT", sink)
    assert len(calls) == 1
