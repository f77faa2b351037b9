"""A server's no is told as what it is: it is never taken for a file that is not there, nor does it cost a file."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from pipelines.errors import TransferError
from pipelines.transfer.base import RemoteMissingError
from pipelines.transfer.connect import connect
from sftp_fixtures.servers import sftp_server


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
