"""The sentences of a transport that failed: which server and path, what happened, what to do; never the secret."""

from __future__ import annotations

from typing import TypeVar

from pipelines.errors import TransferError
from pipelines.transfer.base import (
    ConnectionLostError,
    Endpoint,
    RemoteMissingError,
    StalledError,
    TargetExistsError,
    UnreachableError,
)

_Error = TypeVar("_Error", bound=TransferError)


def failure(endpoint: Endpoint, path: str, cause: object, advice: str) -> TransferError:
    """An error that names server, path, cause and what to do; see `failure_of`."""
    return failure_of(TransferError, endpoint, path, cause, advice)


def failure_of(kind: type[_Error], endpoint: Endpoint, path: str, cause: object, advice: str) -> _Error:
    """An error of one kind that names server, path, cause and what to do; the secret is cut out, whoever said it."""
    where = f"{endpoint.scheme}://{endpoint.user + '@' if endpoint.user else ''}{endpoint.host}"
    where += f":{endpoint.port}" if endpoint.port else ""
    below = "" if endpoint.host or not path else f"{endpoint.root}/"  # of a directory: nothing else says which
    text = f"{where} {below}{path or endpoint.root}: {cause}; {advice}"
    if endpoint.secret:
        text = text.replace(endpoint.secret, "***")
    return kind("".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text))


def missing(endpoint: Endpoint, path: str) -> RemoteMissingError:
    """The error of a file that is to be read or moved and is not there."""
    return failure_of(RemoteMissingError, endpoint, path, "no such file", "see whether another run moved it")


def unreachable(endpoint: Endpoint, error: OSError) -> TransferError:
    """The error of a connection that could not be made."""
    kind: type[TransferError] = StalledError if isinstance(error, TimeoutError) else UnreachableError
    return failure_of(kind, endpoint, "", f"no connection: {error}", "check host, port and firewall; is it up?")


def kind_of_loss(error: Exception) -> type[ConnectionLostError]:
    """What broke a connection off: the clock, or the other side."""
    return StalledError if isinstance(error, TimeoutError) else ConnectionLostError


def lost(endpoint: Endpoint, path: str, cause: object, is_stalled: bool = False) -> ConnectionLostError:
    """The error of a connection that broke off, or that was given up because nothing came in time."""
    kind = StalledError if is_stalled else ConnectionLostError
    return failure_of(kind, endpoint, path, f"the connection broke off: {cause}", "run again: nothing is lost")


def target_exists(endpoint: Endpoint, source: str, target: str) -> TargetExistsError:
    """The error of a move that would overwrite."""
    return failure_of(TargetExistsError, endpoint, source, f"not moved, {target} exists", "compare the two files")
