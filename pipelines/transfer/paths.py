"""Paths below an endpoint's root, and the sentences that say what went wrong there."""

from __future__ import annotations

from pipelines.errors import TransferError
from pipelines.transfer.base import Endpoint, RemoteFile

NOT_SENT = "nothing was sent to the server"


def remote_path(endpoint: Endpoint, path: str) -> str:
    """The whole path of `path`, which is relative to the endpoint's root ("" is the root itself).

    Raises TransferError for a path that would leave the root or that no server could be asked for (NUL, line ends):
    names come from the other side and are never trusted.
    """
    parts = path.split("/") if path else []
    if any(part in {"", ".", ".."} for part in parts) or any(sign in path for sign in "\0\r\n"):
        raise failure(endpoint, path, "is not a path below the root", "the name is left as it is; ask who wrote it")
    root = endpoint.root.rstrip("/")
    return "/".join([root, *parts]) if root or endpoint.root == "" else "/" + "/".join(parts)


def parent(path: str) -> str:
    """The directory of a path, "" for the root."""
    return path.rpartition("/")[0]


def name_of(raw: bytes) -> str:
    """A name as it came over the wire; bytes that are not UTF-8 stand as surrogates, and survive `wire`."""
    return raw.decode("utf-8", "surrogateescape")


def wire(path: str) -> bytes:
    """A path as it goes over the wire: the reverse of `name_of`."""
    return path.encode("utf-8", "surrogateescape")


def is_listed(entry: RemoteFile) -> bool:
    """Whether an entry is one of the directory's own, not the directory itself or the one above it."""
    return entry.name not in {"", ".", ".."}


def failure(
    endpoint: Endpoint, path: str, cause: object, advice: str, kind: type[TransferError] = TransferError
) -> TransferError:
    """An error of `kind` that names server, path, cause and what to do; the secret is cut out wherever it came from."""
    where = f"{endpoint.scheme}://{endpoint.user + '@' if endpoint.user else ''}{endpoint.host}"
    where += f":{endpoint.port}" if endpoint.port else ""
    text = f"{where} {path or endpoint.root}: {cause}; {advice}"
    if endpoint.secret:
        text = text.replace(endpoint.secret, "***")
    return kind("".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text))
