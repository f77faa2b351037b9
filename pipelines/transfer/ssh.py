"""An SSH connection whose server is proven before we are: TCP, host key, and only then password, key or agent."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm

from pipelines.errors import ConfigurationError, TierlineError, TransferError
from pipelines.transfer.base import ConnectionLostError, Endpoint, StalledError
from pipelines.transfer.failures import failure, failure_of, unreachable
from pipelines.transfer.host_keys import HostKey, agreed_keys, check_host_key

_CHANNEL_WINDOW = 16 * 1024 * 1024  # more than is ever asked for at once, so that it never slows a read
_CHANNEL_PACKET = 256 * 1024
_BROKEN = ("3des-cbc", "hmac-md5", "hmac-md5-96", "hmac-sha1-96")  # not offered, whatever the server has
_FAST_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")

# What paramiko's thread reports comes as an error of the call as well; its tracebacks in a log help nobody.
_LOG = "tierline.paramiko"
logging.getLogger(_LOG).addHandler(logging.NullHandler())
logging.getLogger(_LOG).propagate = False


def open_ssh(endpoint: Endpoint) -> paramiko.Transport:
    """Connect and log in; HostKeyError for an unknown or changed host key, before anything secret is sent."""
    agreed = agreed_keys(endpoint)
    ssh = _transport(endpoint)
    try:
        _prefer(ssh, agreed)
        with _explained(endpoint, ssh, "no SSH connection", "try again; is it an SSH server?"):
            ssh.start_client(timeout=endpoint.connect_timeout_s)
            key = ssh.get_remote_server_key()
        check_host_key(endpoint, HostKey(key.get_name(), key.asbytes()), agreed)
        with _explained(endpoint, ssh, "no SSH connection", "try again; is it an SSH server?"):
            _log_in(endpoint, ssh)
    except BaseException:
        close_ssh(ssh)
        raise
    return ssh


def open_channel(endpoint: Endpoint, ssh: paramiko.Transport) -> paramiko.Channel:
    """A channel to the server's SFTP; its reads and writes end after the endpoint's idle timeout."""
    with _explained(endpoint, ssh, "no SFTP", "ask the server's operator to allow it"):
        channel = ssh.open_session(_CHANNEL_WINDOW, _CHANNEL_PACKET, timeout=endpoint.connect_timeout_s)
    channel.settimeout(endpoint.idle_timeout_s)
    with (
        _explained(endpoint, ssh, "no SFTP", "ask the server's operator to allow it"),
        _at_most(endpoint.connect_timeout_s, ssh),
    ):
        channel.invoke_subsystem("sftp")
    return channel


def close_ssh(ssh: paramiko.Transport) -> None:
    """End the connection; harmless when it is gone already."""
    ssh.packetizer.complete_handshake()  # else its timer keeps the process alive
    ssh.close()


@contextmanager
def _explained(endpoint: Endpoint, ssh: paramiko.Transport, what: str, advice: str) -> Iterator[None]:
    """What came of a step of connecting, by the clock and the connection's state: paramiko's errors hardly tell.

    Of a packet that was damaged on the way its thread may have met any error, and raises that here: the connection is
    over then.
    """
    began = time.monotonic()
    try:
        yield
    except TierlineError:
        raise
    except Exception as error:
        took = time.monotonic() - began
        ssh.join(0.5)  # its thread ends with the connection, but a moment after it has told us
        if ssh.is_active() and not isinstance(error, paramiko.SSHException | EOFError | OSError):
            raise
        kind: type[TransferError] = TransferError
        if took >= 0.9 * endpoint.connect_timeout_s:
            kind = StalledError
        elif not ssh.is_active() and not isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
            kind = ConnectionLostError
        raise failure_of(kind, endpoint, "", f"{what}: {str(error) or _words(error)}", advice) from error


def _words(error: Exception) -> str:
    return "the connection was cut" if isinstance(error, EOFError | OSError) else type(error).__name__


@contextmanager
def _at_most(seconds: float, ssh: paramiko.Transport) -> Iterator[None]:
    """Cut the connection after so many seconds: paramiko waits for this answer without end."""
    timer = Timer(seconds, ssh.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _transport(endpoint: Endpoint) -> paramiko.Transport:
    address = (endpoint.host, endpoint.port or 22)
    try:
        connection = socket.create_connection(address, endpoint.connect_timeout_s)
    except OSError as error:
        raise unreachable(endpoint, error) from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # Nagle's wait makes small files 4 times slower
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # a server that takes nothing more; paramiko would try for ever
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(endpoint.idle_timeout_s * 1000))
    ssh = paramiko.Transport(connection)
    ssh.set_log_channel(_LOG)
    ssh.banner_timeout = ssh.handshake_timeout = ssh.auth_timeout = endpoint.connect_timeout_s
    return ssh


def _prefer(ssh: paramiko.Transport, agreed: list[HostKey]) -> None:
    """Ask for the fast ciphers, and for a host key of a type that is agreed."""
    options = ssh.get_security_options()
    options.ciphers = (*_FAST_CIPHERS, *(each for each in options.ciphers if each not in (*_FAST_CIPHERS, *_BROKEN)))
    options.digests = tuple(each for each in options.digests if each not in _BROKEN)
    kinds = {key.kind for key in agreed}
    if "ssh-rsa" in kinds:  # the type of the key, which signs by one of these
        kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
    options.key_types = tuple(sorted(options.key_types, key=lambda kind: kind not in kinds))


def _log_in(endpoint: Endpoint, ssh: paramiko.Transport) -> None:
    try:
        if endpoint.key_file:
            more = ssh.auth_publickey(endpoint.user, _private_key(endpoint, endpoint.key_file))
            if more and endpoint.secret is not None:
                more = ssh.auth_password(endpoint.user, endpoint.secret)
        elif endpoint.secret is not None:
            more = ssh.auth_password(endpoint.user, endpoint.secret)
        else:
            more = _log_in_by_agent(endpoint, ssh)
    except paramiko.AuthenticationException as error:
        if not ssh.is_active() or "timeout" in str(error):
            raise paramiko.SSHException("the connection was lost during the log-in") from error
        raise _refused(endpoint, str(error).rstrip(".")) from error
    if more:
        raise _refused(endpoint, f"the server wants more: {', '.join(more)}")


def _log_in_by_agent(endpoint: Endpoint, ssh: paramiko.Transport) -> list[str]:
    with closing(paramiko.Agent()) as agent:
        for key in agent.get_keys():
            try:
                return ssh.auth_publickey(endpoint.user, key)
            except paramiko.AuthenticationException:
                continue  # an agent holds keys for many servers
    raise _refused(endpoint, "there is no secret, no key_file, and no key in an SSH agent that the server takes")


def _refused(endpoint: Endpoint, cause: str) -> TransferError:
    return failure(endpoint, "", f"the log-in was refused: {cause}", "check user, secret and key_file")


def _private_key(endpoint: Endpoint, key_file: str) -> paramiko.PKey:
    """The key of a file; the secret is its passphrase where it has one."""
    file = Path(key_file).expanduser()
    passphrase: Any = endpoint.secret.encode() if endpoint.secret else None  # bytes, whatever its stubs say
    try:
        try:
            return paramiko.PKey.from_path(file, passphrase)
        except TypeError:  # the key has no passphrase (or wants one, then this says so again)
            return paramiko.PKey.from_path(file)
    except (OSError, ValueError, TypeError, paramiko.SSHException, UnsupportedAlgorithm) as error:
        cause = f"{type(error).__name__}: {error}"
        raise ConfigurationError(
            f"key_file: {file}: {cause}; expected a private key, its passphrase as secret"
        ) from error
