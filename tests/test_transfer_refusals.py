"""A server's no is told as what it is: it is never taken for a file that is not there, nor does it cost a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from asyncssh.sftp import SFTPServerHandler
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.exceptions import AuthenticationFailed

from pipelines.config import SourceConfig
from pipelines.errors import TransferError
from pipelines.lanes import Lanes
from pipelines.transfer.base import RemoteMissingError, ShutOutError
from pipelines.transfer.connect import connect
from sftp_fixtures.proxy import Trouble, proxy
from sftp_fixtures.servers import ftp_server, sftp_server


class NoRights(asyncssh.SFTPServer):
    """Lets nobody make a directory."""

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        raise asyncssh.SFTPPermissionDenied("no rights")


class DiskFull(asyncssh.SFTPServer):
    """Has no room for another directory."""

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        raise asyncssh.SFTPFailure("disk full")


@pytest.mark.parametrize(("files", "says"), [(NoRights, "no rights"), (DiskFull, "disk full")])
def test_a_directory_that_may_not_be_made_is_no_missing_file(
    tmp_path: Path, files: type[asyncssh.SFTPServer], says: str
) -> None:
    (tmp_path / "a.DAT").write_bytes(b"1")
    with sftp_server(tmp_path, files=files) as endpoint, connect(endpoint) as transport:
        for action in (
            lambda: transport.rename("a.DAT", "backup/20261122/a.DAT"),
            lambda: transport.write("receipt/a.RCP", [b"1"]),
        ):
            with pytest.raises(TransferError, match=says) as caught:
                action()
            assert not isinstance(caught.value, RemoteMissingError)
    assert (tmp_path / "a.DAT").exists()


class Curt(asyncssh.SFTPServer):
    """Says "failure" to every directory that it cannot make, whatever the cause."""

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        try:
            super().mkdir(path, attrs)
        except OSError as error:
            raise asyncssh.SFTPFailure("failure") from error


def test_directories_are_made_whatever_a_server_says_of_one_whose_parent_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.DAT").write_bytes(b"1")
    with sftp_server(tmp_path, files=Curt) as endpoint, connect(endpoint) as transport:
        transport.rename("a.DAT", "backup/20261122/PAYM/a.DAT")
    assert (tmp_path / "backup/20261122/PAYM/a.DAT").exists()


class Locked(asyncssh.SFTPServer):
    """Cannot rename the new file, as where a virus scanner has it open."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        if oldpath.endswith(b".RCP.tmp"):
            raise asyncssh.SFTPFailure("in use")
        super().rename(oldpath, newpath)


@pytest.mark.fault(24)
@pytest.mark.parametrize("files", [Locked, asyncssh.SFTPServer])
def test_sftp_without_a_rename_over_files_keeps_the_old_one_until_the_new_one_stands(
    tmp_path: Path, files: type[asyncssh.SFTPServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    extensions = [each for each in SFTPServerHandler._extensions if not each[0].startswith(b"posix-rename")]
    monkeypatch.setattr(SFTPServerHandler, "_extensions", extensions)
    (tmp_path / "a.RCP").write_bytes(b"old")
    (tmp_path / "a.RCP.old.tmp").write_bytes(b"left by a run that was killed")
    with sftp_server(tmp_path, files=files) as endpoint, connect(endpoint) as transport:
        if files is Locked:
            with pytest.raises(TransferError, match="in use"):
                transport.write("a.RCP", [b"new"])
            assert (tmp_path / "a.RCP").read_bytes() == b"old"
        else:
            transport.write("a.RCP", [b"new"])
            assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.RCP": b"new"}


def test_a_log_in_that_is_refused_after_a_cut_is_tried_once_for_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AuthenticationFailed("the password was changed")

    for number in range(20):
        (tmp_path / f"{number}.DAT").write_bytes(b"x" * 100_000)
    log = tmp_path / "log"
    with ftp_server(tmp_path, log) as endpoint, proxy(replace(endpoint, retry_wait_s=0.02)) as between:
        source = SourceConfig("110", between.endpoint, None, "utf-8", None, ("PAYM",), 1, 1, 1)
        with Lanes(source) as lanes:
            monkeypatch.setattr(DummyAuthorizer, "validate_authentication", refuse)
            between.arm(150_000, Trouble.CUT)
            outcome = lanes.each(lambda transport, number: transport.read(f"{number}.DAT", len), range(20))
            assert [item for item, _ in outcome.done] == [0]
            assert outcome.errors == []
            assert "the log-in was refused: 530" in str(outcome.broken)
            with pytest.raises(ShutOutError, match="the log-in was refused: 530"):
                lanes.first.list("")
    assert log.read_text().split().count("PASS") == 2
