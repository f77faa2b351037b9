"""What an FTP server's reply means: a no, something that is not there, or a connection that ends."""

from __future__ import annotations

import ftplib

from pipelines.errors import TransferError
from pipelines.transfer.base import ConnectionLostError, Endpoint
from pipelines.transfer.failures import failure_of, kind_of_loss, missing

_NOT_OFFERED = {"500", "501", "502", "504"}
# 421: the server closes the control connection; 425 and 426: it has no data connection, or that one broke.
# 500 OOPS is how vsftpd dies, of a lack of ports for instance; of a command that it does not know it speaks otherwise.
_ENDINGS = ("421", "425", "426", "500 OOPS")
_DENIALS = ("permission", "denied", "privilege", "not allowed")  # 550 is said of these and of what is not there


class NotOfferedError(TransferError):
    """The server does not know the command, or not for this path."""


def is_ending(error: ftplib.Error) -> bool:
    """Whether the reply is no answer to the command but says that a connection ends."""
    return str(error).startswith(_ENDINGS)


def refusal(endpoint: Endpoint, path: str, error: ftplib.Error) -> TransferError:
    """The error of a command that the server answered with a no (RFC 959, section 4.2)."""
    reply = str(error)
    if reply.startswith("550") and not any(word in reply.lower() for word in _DENIALS):
        return missing(endpoint, path)
    if is_ending(error):
        return failure_of(ConnectionLostError, endpoint, path, f"the server says {reply}", "run again: nothing is lost")
    kind = NotOfferedError if reply[:3] in _NOT_OFFERED else TransferError
    return failure_of(kind, endpoint, path, f"the server says {reply}", "check the rights and the disk of the server")


def breakage(endpoint: Endpoint, path: str, error: OSError | EOFError) -> ConnectionLostError:
    """The error of a connection that broke off or stalled."""
    cause = "nothing came within the idle timeout" if isinstance(error, TimeoutError) else "cut"
    cause = f"the connection broke off: {cause}{f' ({error})' if str(error) else ''}"
    return failure_of(kind_of_loss(error), endpoint, path, cause, "run again: nothing is lost")
