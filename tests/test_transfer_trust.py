"""Who the server is, is settled before anything secret is sent; and no message ever holds the secret."""

from __future__ import annotations

import ftplib
import os
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import asyncssh
import paramiko
import pytest
from conftest import REMOTE, SSH, TLS, Site

from pipelines.errors import ConfigurationError, HostKeyError, TransferError
from pipelines.transfer.base import Endpoint
from pipelines.transfer.connect import connect
from pipelines.transfer.failures import failure
from pipelines.transfer.host_keys import agreed_keys
from sftp_fixtures.ports import free_ports
from sftp_fixtures.servers import ftp_server, ftps_server
from sftp_fixtures.sshd import sshd_server
from sftp_fixtures.tls import make_certificate
from sftp_fixtures.vsftpd import vsftpd_server

# as asyncssh, sshd, the FTP servers and rclone note it
LOG_IN = re.compile(r"^auth |userauth-request|\bUSER\b|Password login attempt")

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"  # 32 bytes of ed25519


def log_ins(log: Path, since: int = 0) -> int:
    return sum(bool(LOG_IN.search(line)) for line in log.read_text(errors="replace")[since:].splitlines())


def other_key() -> str:
    return asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


def refusal(endpoint: Endpoint) -> str:
    with pytest.raises(HostKeyError) as caught:
        connect(endpoint)
    assert "nothing was sent" in str(caught.value)
    assert f"{endpoint.host}:{endpoint.port}" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("server", REMOTE, indirect=True)
def test_the_log_shows_a_log_in(site: Site) -> None:
    before = len(site.log.read_text(errors="replace"))
    connect(site.endpoint).close()
    assert log_ins(site.log, before) > 0


@pytest.mark.fault(16)
@pytest.mark.parametrize("server", SSH, indirect=True)
@pytest.mark.parametrize("is_known", [True, False])
def test_a_changed_or_unknown_host_key_is_refused_before_the_log_in(site: Site, is_known: bool) -> None:
    before = len(site.log.read_text(errors="replace"))
    message = refusal(replace(site.endpoint, host_key=other_key() if is_known else None, secret="s3cret"))
    assert log_ins(site.log, before) == 0
    assert (", agreed is ssh-ed25519 SHA256:" if is_known else "no host key is agreed") in message
    assert message.endswith(f"set host_key to: {site.endpoint.host_key}")


@pytest.mark.parametrize("server", SSH, indirect=True)
def test_known_hosts_plain_hashed_and_revoked(site: Site, tmp_path: Path) -> None:
    name = f"[{site.endpoint.host}]:{site.endpoint.port}"
    hashed = paramiko.HostKeys.hash_host(name)
    known, right = tmp_path / "known_hosts", site.endpoint.host_key
    endpoint = replace(site.endpoint, host_key=None, known_hosts=str(known))
    for line in (
        f"{name} {right}",
        f"other,{name} {right}",
        f"{hashed} {right}",
        f"{name} {other_key()}\n{name} {right}",
    ):
        known.write_text(f"# comment\n\n{line}\n")
        connect(endpoint).close()
    for line in (f"{name} {other_key()}", f"other {right}", f"{name} {right}\n@revoked {name} {right}"):
        known.write_text(f"{line}\n")
        refusal(endpoint)
    known.unlink()
    with pytest.raises(ConfigurationError, match="known_hosts"):
        connect(endpoint)


@pytest.mark.parametrize(
    "stated",
    ["AAAA", "ssh-ed25519 AAAA…", "ssh-ed25519 AAAA", f"ssh-ed25519 {KEY[:40]}", f"ssh-rsa {KEY}"],
    ids=["no type", "as in a manual", "nothing in it", "cut", "of another type"],
)
def test_a_host_key_that_is_none(stated: str) -> None:
    """Said before anything is sent, with what stands there."""
    expected = "expected a whole public key, ssh-ed25519 AAAA… as ssh-keyscan writes it"
    said = f"host_key of sftp://127.0.0.1: {expected}, found '{stated}'"
    with pytest.raises(ConfigurationError) as caught:
        connect(Endpoint("sftp", "127.0.0.1", 1, host_key=stated))
    assert str(caught.value) == said


@pytest.mark.fault(16)
@pytest.mark.parametrize("server", TLS, indirect=True)
def test_a_certificate_of_an_unknown_authority_is_refused_before_the_log_in(site: Site) -> None:
    before = len(site.log.read_text(errors="replace"))
    assert "unable to get local issuer" in refusal(replace(site.endpoint, ca_file=None))
    assert log_ins(site.log, before) == 0


@pytest.mark.fault(16)
@pytest.mark.parametrize(
    ("host", "is_expired", "cause"), [("127.0.0.1", True, "expired"), ("127.0.0.9", False, "IP address mismatch")]
)
def test_a_certificate_expired_or_of_another_name(tmp_path: Path, host: str, is_expired: bool, cause: str) -> None:
    log = tmp_path / "log"
    with ftps_server(tmp_path, log, make_certificate(tmp_path, host, is_expired)) as endpoint:
        assert cause in refusal(endpoint)
    assert log_ins(log) == 0


def test_a_server_without_tls_gets_no_password(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ftp_server(tmp_path, log) as endpoint, pytest.raises(TransferError, match="does it offer TLS"):
        connect(replace(endpoint, scheme="ftps"))
    assert "AUTH" in log.read_text()
    assert log_ins(log) == 0


@pytest.mark.fault(16)
def test_the_server_that_demands_session_reuse_refuses_who_does_not(tmp_path: Path) -> None:
    """Shows that the fixture is strict, so that the other tests on it mean something."""
    with (
        vsftpd_server(tmp_path, tls=True, require_ssl_reuse=True) as endpoint,
        ftplib.FTP_TLS(context=ssl.create_default_context(cafile=endpoint.ca_file)) as client,
    ):
        client.connect(endpoint.host, endpoint.port, timeout=5)
        client.login(endpoint.user, endpoint.secret or "")
        client.prot_p()
        with pytest.raises(ftplib.error_perm, match="session reuse required"):
            client.nlst(endpoint.root)


@pytest.mark.parametrize("server", REMOTE, indirect=True)
def test_a_wrong_password_is_refused_and_not_repeated(site: Site) -> None:
    wrong = replace(site.endpoint, secret="Wr0ng-s3cret", key_file=None)
    with pytest.raises(TransferError, match="the log-in was refused") as caught:
        connect(wrong)
    assert "check user" in str(caught.value)
    assert wrong.user in str(caught.value)
    shown = "".join(map(str, [caught.value, caught.value.__cause__, wrong, repr(wrong)]))
    assert "Wr0ng" not in shown


def test_a_secret_is_cut_out_of_what_a_server_says() -> None:
    endpoint = Endpoint("ftp", "127.0.0.1", secret="s3cret")
    assert "s3cret" not in str(failure(endpoint, "", "530 PASS s3cret is wrong", "check it"))


@pytest.mark.parametrize("scheme", ["sftp", "ftp", "ftps"])
def test_connection_refused(scheme: str) -> None:
    endpoint = Endpoint(scheme, "127.0.0.1", free_ports(1), "billing", secret="s3cret")
    with pytest.raises(
        TransferError, match=rf"{scheme}://billing@127.0.0.1:{endpoint.port}.*Connection refused.*check"
    ):
        connect(endpoint)


@contextmanager
def agent(socket: Path) -> Iterator[None]:
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            if socket.exists():
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(5)


def test_a_key_in_an_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sshd_server(tmp_path) as endpoint, agent(tmp_path / "agent"):
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        with pytest.raises(TransferError, match="no key in an SSH agent"):
            connect(replace(endpoint, key_file=None))
        subprocess.run(["ssh-add", "-q", str(endpoint.key_file)], check=True, env=os.environ)
        with connect(replace(endpoint, key_file=None)) as transport:
            assert transport.list("none") == []


def test_a_password_on_openssh(tmp_path: Path) -> None:
    (tmp_path / "a.DAT").write_bytes(b"12345")
    with sshd_server(tmp_path, by_password=True) as endpoint:
        with connect(endpoint) as transport:
            assert transport.read("a.DAT", len) == 5
        with pytest.raises(TransferError, match="the log-in was refused"):
            connect(replace(endpoint, secret="Wr0ng-s3cret"))


def test_a_key_with_a_passphrase(tmp_path: Path) -> None:
    with sshd_server(tmp_path) as endpoint:
        key_file = tmp_path / "key"
        key = asyncssh.read_private_key(str(endpoint.key_file))
        key.write_private_key(str(key_file), passphrase="p4ss", rounds=50)
        locked = replace(endpoint, key_file=str(key_file))
        connect(replace(locked, secret="p4ss")).close()
        connect(replace(endpoint, secret="of no use here")).close()
        for secret in (None, "wr0ng"):
            with pytest.raises(ConfigurationError, match="key_file") as caught:
                connect(replace(locked, secret=secret))
            assert "wr0ng" not in str(caught.value)
        with pytest.raises(ConfigurationError, match="expected a private key"):
            connect(replace(endpoint, key_file=str(tmp_path / "none")))


@pytest.mark.parametrize("host", ["10.0.0.8", "[10.0.0.8]:2222", "|1|c2FsdA==|aGFzaA=="])
def test_a_pinned_key_may_stand_as_ssh_keyscan_writes_it(host: str) -> None:
    plain = agreed_keys(Endpoint("sftp", "h", host_key=f"ssh-ed25519 {KEY} of the operator"))
    assert agreed_keys(Endpoint("sftp", "h", host_key=f"{host} ssh-ed25519 {KEY}")) == plain
    with pytest.raises(ConfigurationError, match="expected a whole public key"):
        agreed_keys(Endpoint("sftp", "h", host_key=f"{host} ssh-rsa {KEY}"))
