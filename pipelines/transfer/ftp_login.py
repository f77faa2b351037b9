"""An FTP connection up to the log-in; with TLS the server is proven before we are."""

from __future__ import annotations

import ftplib
import ssl
from socket import socket

from pipelines.errors import ConfigurationError, HostKeyError, TransferError
from pipelines.transfer.base import ConnectionLostError, Endpoint
from pipelines.transfer.failures import failure_of, kind_of_loss, unreachable
from pipelines.transfer.ftp_replies import is_ending
from pipelines.transfer.paths import wire

_MOST_LINES = 1000  # of one reply


def raw(text: str) -> str:
    """A text as ftplib is to send it: a character a byte, so that names of any bytes pass."""
    return wire(text).decode("latin-1")


def open_ftp(endpoint: Endpoint) -> Ftp:
    """Connect and log in; HostKeyError for a certificate that does not verify, before user or password is sent."""
    if any(sign in f"{endpoint.user}{endpoint.secret}" for sign in "\r\n"):
        raise ConfigurationError(f"ftp: {endpoint.host}: user or secret holds a line end; expected one line")
    ftp = _Ftps(context=_context(endpoint)) if endpoint.scheme == "ftps" else Ftp()
    ftp.encoding = "latin-1"
    try:
        _connect(endpoint, ftp)
        _log_in(endpoint, ftp)
    except BaseException:
        ftp.close()
        raise
    return ftp


class Ftp(ftplib.FTP):
    """Takes no reply that was cut in its middle for a whole one, and gives up on one that does not end."""

    _lines = 0
    passive_port: int | None = None  # while a data connection to it is being made

    def putcmd(self, line: str) -> None:
        self.passive_port = None
        super().putcmd(line)

    def getmultiline(self) -> str:
        self._lines = 0
        return super().getmultiline()

    def getline(self) -> str:
        assert self.file is not None
        self._lines += 1
        if self._lines > _MOST_LINES:
            raise EOFError(f"a reply of more than {_MOST_LINES} lines")
        line = self.file.readline(self.maxline + 1)
        if not line.endswith("\n"):
            raise EOFError("in the middle of a reply" if line else "")
        return line.rstrip("\r\n")

    def getresp(self) -> str:
        reply = super().getresp()
        # ftplib reads a size out of a 150, though nobody asked, and stops at one that is no number; 125 says the same.
        return f"125{reply[3:]}" if reply.startswith("150") else reply

    def makepasv(self) -> tuple[str, int]:
        try:
            host, port = super().makepasv()
        except ValueError as error:
            raise ftplib.error_proto(f"a port that cannot be read: {error}") from error
        self.passive_port = port
        return host, port


class _Ftps(Ftp, ftplib.FTP_TLS):
    """Continues the control connection's TLS session on every data connection, as many servers demand."""

    _session: ssl.SSLSession | None = None

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket, int | None]:
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        assert isinstance(self.sock, ssl.SSLSocket)
        if self._session is None:  # asked for once: Python leaves some 6 KB behind at every asking
            self._session = self.sock.session
        return self.context.wrap_socket(connection, server_hostname=self.host, session=self._session), size


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=endpoint.ca_file)
    except OSError as error:
        raise ConfigurationError(f"ca_file: {endpoint.ca_file}: {error}; expected certificates in PEM") from error


def _connect(endpoint: Endpoint, ftp: ftplib.FTP) -> None:
    try:
        ftp.connect(endpoint.host, endpoint.port or 21, timeout=endpoint.connect_timeout_s)
        if isinstance(ftp, ftplib.FTP_TLS):
            ftp.auth()
    except ssl.SSLCertVerificationError as error:
        cause = f"the server's certificate does not verify: {error.verify_message}"
        advice = "nothing was sent; ask the server's operator, and set ca_file to the authority that signed it"
        raise failure_of(HostKeyError, endpoint, "", cause, advice) from error
    except ftplib.Error as error:
        kind = _kind_of_reply(error)
        raise failure_of(
            kind, endpoint, "", f"the server says {error}", "nothing was sent; does it offer TLS?"
        ) from error
    except (OSError, EOFError) as error:
        if ftp.sock is None and isinstance(error, OSError):
            raise unreachable(endpoint, error) from error
        cause = f"no connection: {error or 'it was cut'}"
        raise failure_of(kind_of_loss(error), endpoint, "", cause, "try again; is it an FTP server?") from error


def _log_in(endpoint: Endpoint, ftp: ftplib.FTP) -> None:
    try:
        ftp.login(raw(endpoint.user), raw(endpoint.secret or ""))
        if isinstance(ftp, ftplib.FTP_TLS):
            ftp.prot_p()
        ftp.voidcmd("TYPE I")
    except ftplib.Error as error:
        cause = f"the log-in was refused: {error}"
        raise failure_of(_kind_of_reply(error), endpoint, "", cause, "check user and secret") from error
    except (OSError, EOFError) as error:
        cause = f"the connection was lost during the log-in: {error}"
        raise failure_of(kind_of_loss(error), endpoint, "", cause, "try again; is it an FTP server?") from error
    if ftp.sock is not None:
        ftp.sock.settimeout(endpoint.idle_timeout_s)


def _kind_of_reply(error: ftplib.Error) -> type[TransferError]:
    return ConnectionLostError if is_ending(error) else TransferError
