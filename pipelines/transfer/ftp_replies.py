"""What an FTP server's reply means: a no, something that is not there, or a connection that ends."""

from __future__ import annotations

import ftplib

from pipelines.errors import TransferError
from pipelines.transfer.base import ConnectionLostError, Endpoint, RemoteMissingError
from pipelines.transfer.failures import failure_of, kind_of_loss, missing

_NOT_OFFERED = {"500", "501", "502", "504"}
# 421: the server closes the control connection; 425 and 426: it has no data connection, or that one broke.
# 500 OOPS is how vsftpd dies, of a lack of ports for instance; of a command that it does not know it speaks otherwise.
_ENDINGS = ("421", "425", "426", "500 OOPS")
# 550 is said of these and of what is not there; of 450 some servers say the latter.
_DENIALS = (
    "permission", "denied", "privilege", "not allowed", "not permitted", "read-only", "quota", "no space",
    "too many open", "input/output", "stale", "being used by another process",
)  # fmt: skip
_ABSENCES = ("no such", "not found", "no files", "not exist", "cannot find")


class NotOfferedError(TransferError):
    """The server does not know the command, or not for this path."""


def is_ending(error: ftplib.Error) -> bool:
    """Whether the reply is no answer to the command but says that a connection ends."""
    return str(error).startswith(_ENDINGS)


def refusal(endpoint: Endpoint, path: str, error: ftplib.Error) -> TransferError:
    """The error of a command that the server answered with a no (RFC 959, section 4.2)."""
    reply = str(error)
    said = reply.lower().replace(path.lower(), "")  # a name that a reply repeats may hold any word
    is_denial, is_absence = (any(word in said for word in words) for words in (_DENIALS, _ABSENCES))
    if reply.startswith(("450", "550")) and is_absence and not is_denial:
        return missing(endpoint, path)
    if reply.startswith("550") and not is_denial:
        cause = f"no such file, or it may not be read: the server says {reply}"
        advice = "see whether another run moved it, and check the rights on the server"
        return failure_of(RemoteMissingError, endpoint, path, cause, advice)
    if is_ending(error):
        return failure_of(ConnectionLostError, endpoint, path, f"the server says {reply}", "run again: nothing is lost")
    kind = NotOfferedError if reply[:3] in _NOT_OFFERED else TransferError
    return failure_of(kind, endpoint, path, f"the server says {reply}", "check the rights and the disk of the server")


def breakage(endpoint: Endpoint, path: str, error: OSError | EOFError, passive_port: int | None) -> ConnectionLostError:
    """The error of a connection that broke off or stalled; `passive_port`: while it was being made to that port."""
    if passive_port is not None:
        cause = f"no data connection to passive port {passive_port}: {error}"
        advice = "open the server's passive ports in the firewall"
        return failure_of(kind_of_loss(error), endpoint, path, cause, advice)
    cause = "nothing came within the idle timeout" if isinstance(error, TimeoutError) else "cut"
    cause = f"the connection broke off: {cause}{f' ({error})' if str(error) else ''}"
    return failure_of(kind_of_loss(error), endpoint, path, cause, "run again: nothing is lost")
