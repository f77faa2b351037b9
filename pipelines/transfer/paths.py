"""Paths below an endpoint's root, and the sentences that say what went wrong there."""

from __future__ import annotations

from typing import TypeVar

from pipelines.errors import TransferError
from pipelines.transfer.base import Endpoint, RemoteMissingError, TargetExistsError

_Error = TypeVar("_Error", bound=TransferError)


def remote_path(endpoint: Endpoint, path: str) -> str:
    """The whole path of `path`, which is relative to the endpoint's root ("" is the root itself).

    Raises TransferError for a path that would leave the root or that no server could be asked for (NUL, line ends):
    names come from the other side and are never trusted.
    """
    parts = path.split("/") if path else []
    if any(part in {"", ".", ".."} for part in parts) or any(sign in path for sign in "\0\r\n"):
        raise failure(endpoint, path, "is not a path below the root", "the name is left as it is; ask who wrote it")
    if not endpoint.root:
        return path or "."
    return f"{endpoint.root.rstrip('/')}/{path}".rstrip("/") or "/"


def parent(path: str) -> str:
    """The directory of a path, "" for the root."""
    return path.rpartition("/")[0]


def name_of(raw: bytes) -> str:
    """A name as it came over the wire; bytes that are not UTF-8 stand as surrogates, and survive `wire`."""
    return raw.decode("utf-8", "surrogateescape")


def wire(path: str) -> bytes:
    """A path as it goes over the wire: the reverse of `name_of`."""
    return path.encode("utf-8", "surrogateescape")


def is_own(name: str) -> bool:
    """Whether a listed name is one of the directory's own, not the directory itself or the one above it."""
    return name not in {"", ".", ".."}


def failure(endpoint: Endpoint, path: str, cause: object, advice: str) -> TransferError:
    """An error that names server, path, cause and what to do; see `failure_of`."""
    return failure_of(TransferError, endpoint, path, cause, advice)


def failure_of(kind: type[_Error], endpoint: Endpoint, path: str, cause: object, advice: str) -> _Error:
    """An error of one kind that names server, path, cause and what to do; the secret is cut out, whoever said it."""
    where = f"{endpoint.scheme}://{endpoint.user + '@' if endpoint.user else ''}{endpoint.host}"
    where += f":{endpoint.port}" if endpoint.port else ""
    text = f"{where} {path or endpoint.root}: {cause}; {advice}"
    if endpoint.secret:
        text = text.replace(endpoint.secret, "***")
    return kind("".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text))


def missing(endpoint: Endpoint, path: str) -> RemoteMissingError:
    """The error of a file that is to be read or moved and is not there."""
    return failure_of(RemoteMissingError, endpoint, path, "no such file", "see whether another run moved it")


def target_exists(endpoint: Endpoint, source: str, target: str) -> TargetExistsError:
    """The error of a move that would overwrite."""
    return failure_of(TargetExistsError, endpoint, source, f"not moved, {target} exists", "compare the two files")
