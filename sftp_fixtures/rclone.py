"""`rclone serve`: a gateway as some producers put before their storage (sftp), and an object store for workers (s3).

As SFTP it keeps to files and directories: symbolic links and FIFOs are not shown at all. Debian's rclone serves no FTP
and no S3; the one that does S3 comes with the tests.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from pipelines.transfer.base import Endpoint
from sftp_fixtures.daemons import daemon, program
from sftp_fixtures.ports import free_ports

_USER = "billing"
# Nothing of the user's own configuration; no memory of directories, as tests change them behind its back.
_SETTINGS = ["--config", "", "--dir-cache-time", "0s", "--poll-interval", "0s", "-vv"]
_BUCKET = "tierline"
MEMORY_S = 1  # how long the object store may not notice what was changed behind its back


@dataclass(frozen=True)
class Bucket:
    """A bucket of a running server, and the directory that its objects stand in as files."""

    endpoint: str
    access_key: str
    secret: str
    directory: Path


@contextmanager
def rclone_s3_server(root: Path, port: int | None = None) -> Iterator[Bucket]:
    """`rclone serve s3` with one bucket below a directory; it ends with the block."""
    with tempfile.TemporaryDirectory() as scratch_name:
        port, key, secret = port or free_ports(1), "tierline", "s3-secret-of-tests"
        (root / _BUCKET).mkdir(parents=True, exist_ok=True)
        command = [str(Path(sys.prefix) / "bin" / "rclone"), "serve", "s3", str(root), "--addr", f"127.0.0.1:{port}"]
        environment = {"RCLONE_AUTH_KEY": f'"{key},{secret}"'}
        # Without any memory of directories rclone 1.75 stands still after deletions.
        settings = ["--config", "", "--dir-cache-time", f"{MEMORY_S}s"]
        with daemon([*command, *settings], port, Path(scratch_name) / "log", environment):
            yield Bucket(f"http://127.0.0.1:{port}", key, secret, root / _BUCKET)


@contextmanager
def rclone_sftp_server(root: Path, log: Path | None = None) -> Iterator[Endpoint]:
    """`rclone serve sftp` below a directory, with a new host key and a password; it ends with the block.

    `log` gets every request.
    """
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch, key = Path(scratch_name), asyncssh.generate_private_key("ssh-ed25519")
        (scratch / "host_key").touch(mode=0o600)
        key.write_private_key(str(scratch / "host_key"))
        port, secret = free_ports(1), secrets.token_urlsafe(12)
        command = [program("rclone"), "serve", "sftp", str(root), "--addr", f"127.0.0.1:{port}"]
        command += ["--key", str(scratch / "host_key"), *_SETTINGS]
        environment = {"RCLONE_USER": _USER, "RCLONE_PASS": secret}  # a command line is everybody's to read
        with daemon(command, port, log or scratch / "log", environment):
            host_key = key.export_public_key().decode().strip()
            yield Endpoint("sftp", "127.0.0.1", port, _USER, "/", secret=secret, host_key=host_key)
