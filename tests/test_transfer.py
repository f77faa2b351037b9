"""Every transport does the same, on real servers: what is listed, read, written and moved."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import Site

from pipelines.errors import ConfigurationError, TransferError
from pipelines.transfer.base import ConnectionLostError, Endpoint, RemoteFile, RemoteMissingError, TargetExistsError
from pipelines.transfer.connect import connect
from sftp_fixtures.servers import ftp_server

FIVE_MB = random.Random(1).randbytes(5_000_000)
ODD_NAMES = [
    b"-rf",
    b"a  b .DAT",
    "缴费.DAT".encode(),
    "缴费.DAT".encode("gb18030"),
    b"PAYM.dat",
    b"PAYM.DAT",
    b"x" * 250,
]


def read(site: Site, path: str, offset: int = 0) -> bytes:
    blocks: list[bytes] = []
    with connect(site.endpoint) as transport:
        count = transport.read(path, blocks.append, offset)
    content = b"".join(blocks)
    assert count == len(content)
    return content


def test_list_gives_names_and_sizes(site: Site) -> None:
    site.put("outgoing/PAYM/a.DAT", b"12345")
    site.put("outgoing/PAYM/empty.CHK")
    with connect(site.endpoint) as transport:
        found = transport.list("outgoing/PAYM")
    assert sorted(found, key=lambda file: file.name) == [
        RemoteFile("a.DAT", 5, is_regular=True),
        RemoteFile("empty.CHK", 0, is_regular=True),
    ]


@pytest.mark.fault(17)
def test_list_tells_files_from_what_is_named_like_one(site: Site, request: pytest.FixtureRequest) -> None:
    site.put("PAYM/real.DAT", b"1")
    (site.directory / "PAYM/directory.DAT").mkdir()
    (site.directory / "PAYM/link.DAT").symlink_to("real.DAT")
    os.mkfifo(site.directory / "PAYM/fifo.DAT")
    with connect(site.endpoint) as transport:
        found = {file.name: file.is_regular for file in transport.list("PAYM")}
    shown = {"real.DAT": True, "directory.DAT": False, "link.DAT": False, "fifo.DAT": False}
    if "rclone" in request.node.name:  # serves what a cloud storage could hold, and shows nothing else
        shown = {"real.DAT": True, "directory.DAT": False}
    assert found == shown


@pytest.mark.fault(17)
def test_names_of_any_bytes_are_listed_read_and_moved(site: Site) -> None:
    for name in ODD_NAMES:
        site.put(f"PAYM/{os.fsdecode(name)}", name)
    with connect(site.endpoint) as transport:
        found = transport.list("PAYM")
        assert sorted(os.fsencode(file.name) for file in found) == sorted(ODD_NAMES)
        for file in found:
            blocks: list[bytes] = []
            transport.read(f"PAYM/{file.name}", blocks.append)
            assert b"".join(blocks) == os.fsencode(file.name)
            transport.rename(f"PAYM/{file.name}", f"moved/{file.name}")
    assert sorted(os.listdir(os.fsencode(site.directory / "moved"))) == sorted(ODD_NAMES)


def test_many_files_are_all_listed(site: Site) -> None:
    names = {f"PAYM_110_I_2026112210_{number:04}_00.DAT" for number in range(1, 701)}
    for name in names:
        site.put(f"PAYM/{name}")
    with connect(site.endpoint) as transport:
        assert {file.name for file in transport.list("PAYM")} == names


def test_a_missing_directory_lists_nothing(site: Site) -> None:
    with connect(site.endpoint) as transport:
        assert transport.list("outgoing/PAYM") == []
        assert transport.list("") == []


def test_read_whole_from_an_offset_and_from_the_end(site: Site) -> None:
    site.put("a.DAT", b"0123456789")
    assert read(site, "a.DAT") == b"0123456789"
    assert read(site, "a.DAT", 4) == b"456789"
    assert read(site, "a.DAT", 10) == b""


def test_read_an_empty_file(site: Site) -> None:
    site.put("a.DAT")
    assert read(site, "a.DAT") == b""


def test_read_a_large_file_whole_and_from_its_middle(site: Site) -> None:
    site.put("a.DAT", FIVE_MB)
    assert hashlib.sha256(read(site, "a.DAT")).digest() == hashlib.sha256(FIVE_MB).digest()
    assert read(site, "a.DAT", 3_000_001) == FIVE_MB[3_000_001:]


def test_one_connection_reads_many_files(site: Site) -> None:
    for number in range(30):
        site.put(f"{number}.DAT", FIVE_MB[: number * 1_000])
    with connect(site.endpoint) as transport:
        for number in range(30):
            blocks: list[bytes] = []
            assert transport.read(f"{number}.DAT", blocks.append) == number * 1_000
            assert b"".join(blocks) == FIVE_MB[: number * 1_000]


def test_read_and_rename_of_a_missing_file(site: Site) -> None:
    with connect(site.endpoint) as transport:
        with pytest.raises(RemoteMissingError, match=r"PAYM/gone\.DAT: no such file"):
            transport.read("PAYM/gone.DAT", len)
        with pytest.raises(RemoteMissingError, match=r"gone\.DAT"):
            transport.rename("gone.DAT", "backup/gone.DAT")
        assert transport.list("backup") == []  # and the connection is still of use


def test_write_new_and_over_an_old_file(site: Site) -> None:
    with connect(site.endpoint) as transport:
        transport.write("receipt/PAYM/a.RCP", [b"first"])
        transport.write("receipt/PAYM/a.RCP", [b"second"])
        transport.write("receipt/PAYM/b.REJ", [FIVE_MB])
        transport.write("receipt/PAYM/empty.REJ", [b""])
    receipts = site.directory / "receipt/PAYM"
    assert sorted(file.name for file in receipts.iterdir()) == ["a.RCP", "b.REJ", "empty.REJ"]
    assert (receipts / "a.RCP").read_bytes() == b"second"
    assert (receipts / "b.REJ").read_bytes() == FIVE_MB
    assert (receipts / "empty.REJ").read_bytes() == b""


def test_write_takes_blocks_of_any_size(site: Site) -> None:
    sizes = [1, 0, 40_000, 3, 262_144, 1_000_000, 7]
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    with connect(site.endpoint) as transport:
        transport.write("a.REJ", (FIVE_MB[start : start + size] for start, size in zip(starts, sizes, strict=True)))
        transport.write("b.REJ", (FIVE_MB[start : start + 11] for start in range(0, 300_000, 11)))
    assert (site.directory / "a.REJ").read_bytes() == FIVE_MB[: sum(sizes)]
    assert (site.directory / "b.REJ").read_bytes() == FIVE_MB[: -(-300_000 // 11) * 11]


def test_write_holds_little_of_a_large_file(site: Site) -> None:
    with connect(site.endpoint) as transport:
        transport.write("warm-up.REJ", [FIVE_MB])
        block = FIVE_MB[:1_000_000]
        tracemalloc.start()
        transport.write("a.REJ", (block for _ in range(40)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (site.directory / "a.REJ").stat().st_size == 40_000_000
    assert peak < 15_000_000  # asyncssh and pyftpdlib, which run in this process, among it


def test_write_refuses_bytes_where_blocks_are_expected(site: Site) -> None:
    with connect(site.endpoint) as transport, pytest.raises(AssertionError, match="expected blocks"):
        transport.write("a.REJ", b"12345")  # type: ignore[arg-type]
    assert list(site.directory.iterdir()) == []


def test_an_error_of_the_blocks_passes_as_it_is_and_leaves_the_old_file(site: Site) -> None:
    broken = OSError(errno.EIO, "Input/output error")

    def blocks() -> Iterator[bytes]:
        yield FIVE_MB
        raise broken

    site.put("a.REJ", b"old")
    with connect(site.endpoint) as transport:
        with pytest.raises(OSError, match="Input/output") as caught:
            transport.write("a.REJ", blocks())
        with suppress(ConnectionLostError):  # the connection may be given up for it, but it tells nothing wrong
            assert transport.exists("a.REJ")
    assert caught.value is broken
    assert (site.directory / "a.REJ").read_bytes() == b"old"


def test_a_write_that_the_server_cannot_keep_is_its_no_and_no_lost_connection(
    site: Site, request: pytest.FixtureRequest
) -> None:
    (site.directory / "a.REJ.tmp").symlink_to("/dev/full")
    if "directory" in request.node.name:  # takes away what stands at the name, so that nothing is written through it
        with connect(site.endpoint) as transport:
            transport.write("a.REJ", [FIVE_MB])
        assert (site.directory / "a.REJ").read_bytes() == FIVE_MB
        return
    with connect(site.endpoint) as transport, pytest.raises(TransferError) as caught:
        transport.write("a.REJ", [FIVE_MB] * 3)
    # vsftpd cannot truncate a device and dies of it (500 OOPS), which is a lost connection
    assert isinstance(caught.value, ConnectionLostError) == ("vsftpd" in request.node.name)
    assert not (site.directory / "a.REJ").exists()


def test_remove_deletes_files_and_nothing_else(site: Site) -> None:
    site.put("PAYM/a.DAT", b"a")
    site.put("PAYM/b.DAT", b"b")
    (site.directory / "PAYM/directory.DAT").mkdir()
    with connect(site.endpoint) as transport:
        transport.remove("PAYM/a.DAT")
        for path in ("PAYM/a.DAT", "PAYM/directory.DAT", "none/a.DAT"):
            with pytest.raises(RemoteMissingError, match=path.replace(".", r"\.")):
                transport.remove(path)
    assert sorted(file.name for file in (site.directory / "PAYM").iterdir()) == ["b.DAT", "directory.DAT"]


def test_rename_makes_directories(site: Site) -> None:
    site.put("outgoing/PAYM/a.DAT", b"a")
    site.put("outgoing/PAYM/b.DAT", b"b")
    with connect(site.endpoint) as transport:
        transport.rename("outgoing/PAYM/a.DAT", "backup/20261122/PAYM/a.DAT")
        transport.rename("outgoing/PAYM/b.DAT", "backup/20261122/PAYM/b.DAT")
    assert list((site.directory / "outgoing/PAYM").iterdir()) == []
    assert (site.directory / "backup/20261122/PAYM/a.DAT").read_bytes() == b"a"
    assert (site.directory / "backup/20261122/PAYM/b.DAT").read_bytes() == b"b"


def test_rename_never_overwrites(site: Site) -> None:
    source, target = site.put("outgoing/a.DAT", b"new"), site.put("backup/a.DAT", b"old")
    with connect(site.endpoint) as transport, pytest.raises(TargetExistsError, match=r"backup/a\.DAT exists"):
        transport.rename("outgoing/a.DAT", "backup/a.DAT")
    assert (source.read_bytes(), target.read_bytes()) == (b"new", b"old")


def test_exists_is_true_for_regular_files(site: Site) -> None:
    site.put("PAYM/a.DAT", b"1")
    with connect(site.endpoint) as transport:
        assert transport.exists("PAYM/a.DAT")
        assert not transport.exists("PAYM/b.DAT")
        assert not transport.exists("PAYM")
        assert not transport.exists("none/a.DAT")


@pytest.mark.fault(17)
@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "PAYM/../../x", "PAYM//x", "a\0b", "a\nDELE b", "."])
def test_paths_outside_the_root_are_refused(site: Site, path: str) -> None:
    site.put("a.DAT")
    with connect(site.endpoint) as transport:
        with pytest.raises(TransferError, match="not a path below the root"):
            transport.read(path, len)
        with pytest.raises(TransferError, match="not a path below the root"):
            transport.rename("a.DAT", path)
        with pytest.raises(TransferError, match="not a path below the root"):
            transport.write(path, [b"x"])
        with pytest.raises(TransferError, match="not a path below the root"):
            transport.remove(path)
    assert (site.directory / "a.DAT").exists()


def test_an_error_of_the_sink_passes_as_it_is(site: Site) -> None:
    site.put("a.DAT", FIVE_MB)
    full = OSError(errno.ENOSPC, "No space left on device")

    def sink(block: bytes) -> None:
        raise full

    with connect(site.endpoint) as transport, pytest.raises(OSError, match="No space left") as caught:
        transport.read("a.DAT", sink)
    assert caught.value is full


def test_close_is_harmless_when_repeated(site: Site) -> None:
    transport = connect(site.endpoint)
    transport.close()
    transport.close()
    if site.endpoint.scheme != "file":
        with pytest.raises(TransferError):
            transport.list("")


@pytest.mark.parametrize("without", [["MLSD"], ["MLSD", "LIST"], ["SIZE"], ["MLSD", "REST", "SIZE"]])
def test_an_old_ftp_server(tmp_path: Path, without: list[str]) -> None:
    (tmp_path / "PAYM").mkdir()
    (tmp_path / "PAYM/a.DAT").write_bytes(b"0123456789")
    (tmp_path / "PAYM/directory.DAT").mkdir()
    with ftp_server(tmp_path, without=without) as endpoint, connect(endpoint) as transport:
        found = {file.name: (file.size, file.is_regular) for file in transport.list("PAYM") if file.is_regular}
        blocks: list[bytes] = []
        transport.read("PAYM/a.DAT", blocks.append, 4)
        assert found == {"a.DAT": (10, True)}
        assert b"".join(blocks) == b"456789"
        assert transport.exists("PAYM/a.DAT")
        assert not transport.exists("PAYM/directory.DAT")
        with pytest.raises(TargetExistsError):
            transport.rename("PAYM/a.DAT", "PAYM/a.DAT")


def test_an_unknown_scheme_and_a_missing_directory() -> None:
    with pytest.raises(ConfigurationError, match="expected sftp, ftps, ftp or file"):
        connect(Endpoint("gopher", "127.0.0.1"))
    with pytest.raises(TransferError, match="no such directory"):
        connect(Endpoint("file", root="none/such"))
