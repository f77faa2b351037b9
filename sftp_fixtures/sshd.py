"""OpenSSH's server, as most producers run it."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh

from pipelines.transfer.base import Endpoint
from sftp_fixtures.daemons import daemon, program
from sftp_fixtures.ports import free_ports

_CONFIGURATION = """
ListenAddress 127.0.0.1
Port {port}
HostKey {scratch}/host_key
AuthorizedKeysFile {scratch}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication yes
MaxStartups 100
LogLevel DEBUG1
Subsystem sftp internal-sftp
"""


@contextmanager
def sshd_server(root: Path, log: Path | None = None) -> Iterator[Endpoint]:
    """OpenSSH's server with a new host key; the present user logs in by a new key. It ends with the block.

    A password is asked for and never accepted, as the account is not the fixture's to change. `log` gets what
    sshd says.
    """
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # what the service makes when it starts
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch, port = Path(scratch_name), free_ports(1)
        host_key = _make_key(scratch / "host_key")
        (scratch / "authorized_keys").write_text(_make_key(scratch / "user_key"))
        configuration = scratch / "sshd_config"
        configuration.write_text(_CONFIGURATION.format(port=port, scratch=scratch))
        command = [program("sshd"), "-D", "-e", "-f", str(configuration)]
        with daemon(command, port, log or scratch / "log"):
            user, key_file = pwd.getpwuid(os.getuid()).pw_name, str(scratch / "user_key")
            yield Endpoint("sftp", "127.0.0.1", port, user, str(root), key_file=key_file, host_key=host_key)


def _make_key(file: Path) -> str:
    key = asyncssh.generate_private_key("ssh-ed25519")
    file.touch(mode=0o600)
    key.write_private_key(str(file))
    return key.export_public_key().decode().strip()
