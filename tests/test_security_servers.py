"""A server that was taken over may lie and send without end: it is given up, the disk stays free, others go on."""

from __future__ import annotations

import itertools
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hostile_servers import BLOCK, EndlessFiles, drip, ftp, sound
from offers import NOW, STEM, ledger, payments
from running import make_home, tierline

import pipelines.transfer.ftp_listing
import pipelines.transfer.sftp_files
import pipelines.transfer.steady
from pipelines.errors import TransferError
from pipelines.transfer.base import MOST_SMALL, ConnectionLostError, Endpoint, OverrunError, StalledError
from pipelines.transfer.connect import connect
from pipelines.transfer.steady import steady
from sftp_fixtures.servers import sftp_server


def endless() -> Iterator[bytes]:
    return itertools.repeat(BLOCK)


def endless_names() -> Iterator[bytes]:
    return itertools.repeat(b"-rw-r--r-- 1 a a 5 Nov 22 10:00 PAYM_110_I_2026112210_0001_00.DAT\r\n" * 10_000)


def test_a_listing_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.transfer.sftp_files, "MOST_ENTRIES", 2_000)
    (tmp_path / "endless").mkdir()
    with (
        sftp_server(tmp_path, files=EndlessFiles) as endpoint,
        connect(endpoint) as transport,
        pytest.raises(StalledError, match="more than 2000 entries"),
    ):
        transport.list("endless")
    with (
        ftp(sound, endless_names) as endpoint,
        connect(endpoint) as transport,
        pytest.raises(StalledError, match="bytes of a listing, and no end"),
    ):
        transport.list("outgoing/PAYM")


def test_a_small_file_without_end_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "a.CHK").write_bytes(b"x")
    with (
        ftp(sound, endless) as endpoint,
        steady(endpoint) as transport,
        pytest.raises(OverrunError, match=f"at most {MOST_SMALL} bytes"),
    ):
        transport.read_small(["a.CHK"], 4096)
    with sftp_server(tmp_path, files=EndlessFiles) as endpoint, steady(endpoint) as transport:
        assert transport.read_small(["a.CHK"], 4096) == [None], "not read further"


def test_a_reply_without_end_is_given_up() -> None:
    def lines(command: str) -> Iterator[bytes]:
        yield from itertools.repeat(b"331-more\r\n") if command == "USER" else sound(command)

    with ftp(lines, endless) as endpoint, pytest.raises(ConnectionLostError, match="more than 1000 lines"):
        connect(endpoint)


@pytest.mark.parametrize("is_listing", [True, False])
def test_a_server_that_drips_is_given_up_although_it_is_never_idle(
    monkeypatch: pytest.MonkeyPatch, is_listing: bool
) -> None:
    monkeypatch.setattr(pipelines.transfer.steady, "GRACE", 1)
    monkeypatch.setattr(pipelines.transfer.ftp_listing, "GRACE", 1)
    began = time.monotonic()
    with (
        ftp(sound, drip) as endpoint,
        steady(replace(endpoint, idle_timeout_s=1.0)) as transport,
        pytest.raises(StalledError, match="bytes"),
    ):
        transport.list("x") if is_listing else transport.read("x", len)
    assert time.monotonic() - began < 10


def test_a_file_that_does_not_end_fills_no_disk_and_keeps_no_other_source(tmp_path: Path) -> None:
    """One source's data file is small as listed and has no end; the other source is sound."""
    evil, good = tmp_path / "evil", tmp_path / "good"
    large = payments(STEM, *["CARD"] * 3)
    large.put(evil)
    payments(STEM.replace("110", "440"), "CARD").put(good)
    with sftp_server(evil, files=EndlessFiles) as endpoint:
        home = make_home(tmp_path / "home", endpoint)
        configuration = home / "tierline.yaml"
        with configuration.open("a") as file:
            file.write(f'  "440":\n    url: file://{good}\n    feeds: [PAYM]\n')
        ran = tierline(home, "fetch", now=NOW)
    assert ran.exit_status == 1
    assert [each.source for each in ledger(home) if each.state == "verified"] == ["440"]
    assert "source 110" in ran.err
    assert sum(path.stat().st_size for path in (home / "landing").rglob("*") if path.is_file()) < 1 << 20
    assert list((evil / "backup").rglob("*")) == []


@pytest.mark.parametrize("address", [b"10,0,0,1", b"169,254,169,254"])
def test_an_ftp_server_leads_its_client_to_no_other_machine(address: bytes) -> None:
    """Data connections go to the server itself, whatever address it names."""
    with ftp(sound, lambda: iter([b"abc"]), address) as endpoint, connect(endpoint) as transport:
        assert transport.read("x", len) == 3


def test_broken_ciphers_are_not_offered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:
        heard = thread.submit(_first_words, listener)
        endpoint = Endpoint("sftp", "127.0.0.1", listener.getsockname()[1], "u", secret="s", connect_timeout_s=5.0)
        with pytest.raises(TransferError):
            connect(endpoint)
    said = heard.result()
    assert b"aes128-gcm@openssh.com" in said
    assert b"rsa-sha2-512" in said
    assert not re.search(rb"3des|hmac-md5|sha1-96|arcfour|ssh-dss|diffie-hellman-group1-", said)


def _first_words(listener: socket.socket) -> bytes:
    """What an SSH client says before anything is agreed: its version and the algorithms that it offers."""
    client, _ = listener.accept()
    with client:
        client.sendall(b"SSH-2.0-test\r\n")
        said = b""
        while b"zlib" not in said and b"none" not in said:
            said += client.recv(4096)
        return said
