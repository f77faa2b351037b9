"""vsftpd: no MLSD, and with TLS it demands that data connections continue the control connection's session."""

from __future__ import annotations

import os
import pwd
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.transfer.base import Endpoint
from sftp_fixtures.daemons import daemon, program
from sftp_fixtures.ports import DATA_PORTS, free_ports
from sftp_fixtures.tls import make_certificate

# Anonymous with one accepted "mail address" is a user with a password, without an account on this machine; the
# server runs as whoever started it and changes no root directory, so paths are the machine's.
_CONFIGURATION = """
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
pasv_min_port={first}
pasv_max_port={last}
one_process_model=YES
run_as_launching_user=YES
ftp_username={user}
anonymous_enable=YES
local_enable=NO
anon_root={root}
secure_email_list_enable=YES
email_password_file={scratch}/passwords
delay_failed_login=0
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
seccomp_sandbox=NO
xferlog_enable=YES
log_ftp_protocol=YES
vsftpd_log_file={log}
"""
_TLS = """
ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=YES
force_anon_data_ssl=YES
require_ssl_reuse={reuse}
rsa_cert_file={scratch}/server.pem
rsa_private_key_file={scratch}/server.key
"""


@contextmanager
def vsftpd_server(
    root: Path, log: Path | None = None, tls: bool = False, require_ssl_reuse: bool = True
) -> Iterator[Endpoint]:
    """vsftpd on a directory, plain or with TLS forced on both channels; it ends with the block.

    `log` gets every command and reply.
    """
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch, port = Path(scratch_name), free_ports(1 + DATA_PORTS)
        log = log or scratch / "log"
        secret = secrets.token_urlsafe(12)
        (scratch / "passwords").write_text(f"{secret}\n")
        (scratch / "passwords").chmod(0o600)
        user = pwd.getpwuid(os.getuid()).pw_name
        settings = {"port": port, "user": user, "first": port + 1, "last": port + DATA_PORTS, "root": root, "log": log}
        text = _CONFIGURATION.format(scratch=scratch, **settings)
        ca_file = None
        if tls:
            ca_file = str(make_certificate(scratch).ca_file)
            text += _TLS.format(scratch=scratch, reuse="YES" if require_ssl_reuse else "NO")
        configuration = scratch / "vsftpd.conf"
        configuration.write_text(text)
        with daemon([program("vsftpd"), str(configuration)], port, log):
            scheme = "ftps" if tls else "ftp"
            yield Endpoint(scheme, "127.0.0.1", port, "anonymous", str(root), secret=secret, ca_file=ca_file)
