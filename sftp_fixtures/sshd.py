"""OpenSSH's server, as most producers run it."""

from __future__ import annotations

import os
import pwd
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import bcrypt

from pipelines.transfer.base import Endpoint
from sftp_fixtures.daemons import daemon, program
from sftp_fixtures.ports import free_ports

_USER = "billing"
_CONFIGURATION = """
ListenAddress 127.0.0.1
Port {port}
HostKey {scratch}/host_key
AuthorizedKeysFile {scratch}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication yes
MaxStartups 100
LogLevel DEBUG1
Subsystem sftp internal-sftp
"""


@contextmanager
def sshd_server(root: Path, log: Path | None = None, by_password: bool = False) -> Iterator[Endpoint]:
    """OpenSSH's server with a new host key; the present user logs in by a new key. It ends with the block.

    `by_password`: a user `billing` of the fixture's own logs in by a password instead. Otherwise a password is asked
    for and never accepted, as the account is not the fixture's to change. `log` gets what sshd says.
    """
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # what the service makes when it starts
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch, port = Path(scratch_name), free_ports(1)
        host_key = _make_key(scratch / "host_key")
        (scratch / "authorized_keys").write_text(_make_key(scratch / "user_key"))
        configuration = scratch / "sshd_config"
        configuration.write_text(_CONFIGURATION.format(port=port, scratch=scratch))
        secret = secrets.token_urlsafe(12) if by_password else None
        environment = _make_account(scratch, secret) if secret else {}
        command = [program("sshd"), "-D", "-e", "-f", str(configuration)]
        with daemon(command, port, log or scratch / "log", environment):
            user, key_file = pwd.getpwuid(os.getuid()).pw_name, str(scratch / "user_key")
            if secret:
                yield Endpoint("sftp", "127.0.0.1", port, _USER, str(root), secret=secret, host_key=host_key)
            else:
                yield Endpoint("sftp", "127.0.0.1", port, user, str(root), key_file=key_file, host_key=host_key)


def _make_account(scratch: Path, secret: str) -> dict[str, str]:
    """An account that only a process with this environment sees, with the id of the present user.

    libnss_wrapper reads the lists of accounts from files of ours; those of the machine stay as they are.
    """
    own, service = pwd.getpwuid(os.getuid()), pwd.getpwnam("sshd")
    digest = bcrypt.hashpw(secret.encode(), bcrypt.gensalt(4)).decode()
    files = {
        "passwd": f"{_USER}:x:{own.pw_uid}:{own.pw_gid}::{scratch}:/bin/sh\n"
        f"sshd:x:{service.pw_uid}:{service.pw_gid}::/run/sshd:/usr/sbin/nologin\n",
        "group": f"{_USER}:x:{own.pw_gid}:\n",
        "shadow": f"{_USER}:{digest}:20000:0:99999:7:::\n",
    }
    for name, content in files.items():
        (scratch / name).touch(mode=0o600)
        (scratch / name).write_text(content)
    return {"LD_PRELOAD": "libnss_wrapper.so"} | {f"NSS_WRAPPER_{name.upper()}": str(scratch / name) for name in files}


def _make_key(file: Path) -> str:
    key = asyncssh.generate_private_key("ssh-ed25519")
    file.touch(mode=0o600)
    key.write_private_key(str(file))
    return key.export_public_key().decode().strip()
