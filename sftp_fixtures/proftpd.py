"""ProFTPD, the other FTP server that producers run: MLSD, and with TLS it demands session reuse as well."""

from __future__ import annotations

import grp
import os
import pwd
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bcrypt

from pipelines.transfer.base import Endpoint
from sftp_fixtures.daemons import daemon, program
from sftp_fixtures.ports import DATA_PORTS, free_ports
from sftp_fixtures.tls import make_certificate

_USER = "billing"

# The user stands in a file of the fixture's own and has the id of whoever started the server, so no account of this
# machine is needed; no root directory is changed, so paths are the machine's.
_CONFIGURATION = """
ServerName tierline
ServerType standalone
DefaultAddress 127.0.0.1
SocketBindTight on
Port {port}
UseIPv6 off
User {user}
Group {group}
PidFile {scratch}/pid
ScoreboardFile {scratch}/scoreboard
DelayEngine off
ModulePath {modules}
AuthOrder mod_auth_file.c
AuthUserFile {scratch}/passwords
RequireValidShell off
RootLogin on
UseFtpUsers off
UseReverseDNS off
UseEncoding off
WtmpLog off
TransferLog none
DebugLevel 5
PassivePorts {first} {last}
AllowOverwrite on
AllowRetrieveRestart on
Umask 022
"""
_TLS = """
LoadModule mod_tls.c
TLSEngine on
TLSRequired on
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile {scratch}/server.pem
TLSECCertificateKeyFile {scratch}/server.key
TLSLog none
"""


@contextmanager
def proftpd_server(root: Path, log: Path | None = None, tls: bool = False) -> Iterator[Endpoint]:
    """ProFTPD on a directory, plain or with TLS forced on both channels; it ends with the block.

    `log` gets every command.
    """
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch, port, secret = Path(scratch_name), free_ports(1 + DATA_PORTS), secrets.token_urlsafe(12)
        _write_passwords(scratch / "passwords", secret)
        executable = program("proftpd")
        text = _CONFIGURATION.format(
            scratch=scratch, port=port, first=port + 1, last=port + DATA_PORTS,
            user=pwd.getpwuid(os.getuid()).pw_name, group=grp.getgrgid(os.getgid()).gr_name,
            modules=Path(executable).resolve().parent.parent / "lib" / "proftpd",
        )  # fmt: skip
        ca_file = None
        if tls:
            ca_file = str(make_certificate(scratch).ca_file)
            (scratch / "server.key").chmod(0o600)
            text += _TLS.format(scratch=scratch)
        configuration = scratch / "proftpd.conf"
        configuration.write_text(text)
        with daemon([executable, "--nodaemon", "--config", str(configuration)], port, log or scratch / "log"):
            scheme = "ftps" if tls else "ftp"
            yield Endpoint(scheme, "127.0.0.1", port, _USER, str(root), secret=secret, ca_file=ca_file)


def _write_passwords(file: Path, secret: str) -> None:
    digest = bcrypt.hashpw(secret.encode(), bcrypt.gensalt(4)).decode()
    file.touch(mode=0o600)
    file.write_text(f"{_USER}:{digest}:{os.getuid()}:{os.getgid()}::/:/bin/false\n")
