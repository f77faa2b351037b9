"""Paths below an endpoint's root, and the bytes that names are on the wire."""

from __future__ import annotations

from pipelines.transfer.base import Endpoint
from pipelines.transfer.failures import failure


def remote_path(endpoint: Endpoint, path: str) -> str:
    """The whole path of `path`, which is relative to the endpoint's root ("" is the root itself).

    Raises TransferError for a path that would leave the root or that no server could be asked for (NUL, line ends):
    names come from the other side and are never trusted.
    """
    parts = path.split("/") if path else []
    if any(part in {"", ".", ".."} for part in parts) or not is_askable(path):
        raise failure(endpoint, path, "is not a path below the root", "the name is left as it is; ask who wrote it")
    if not endpoint.root:
        return path or "."
    return f"{endpoint.root.rstrip('/')}/{path}".rstrip("/") or "/"


def parent(path: str) -> str:
    """The directory of a path, "" for the root."""
    return path.rpartition("/")[0]


def aside_of(path: str) -> str:
    """Where the file that is replaced waits until the new one is in its place: a name that readers pass over."""
    return f"{path}.old.tmp"


def name_of(raw: bytes) -> str:
    """A name as it came over the wire; bytes that are not UTF-8 stand as surrogates, and survive `wire`."""
    return raw.decode("utf-8", "surrogateescape")


def wire(path: str) -> bytes:
    """A path as it goes over the wire: the reverse of `name_of`."""
    return path.encode("utf-8", "surrogateescape")


def is_own(name: str) -> bool:
    """Whether a listed name is one of the directory's own, not the directory itself or the one above it."""
    return name not in {"", ".", ".."}


def is_askable(name: str) -> bool:
    """Whether every protocol can carry a name: NUL or a line end in it would end one command and begin another."""
    return not any(sign in name for sign in "\0\r\n")
