"""Which host keys are agreed for a server: the pinned one, or those of a known_hosts file."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import NamedTuple

import paramiko

from pipelines.errors import ConfigurationError, HostKeyError
from pipelines.transfer.base import Endpoint
from pipelines.transfer.failures import failure_of


class HostKey(NamedTuple):
    """A public key: its type (`ssh-ed25519`) and its bytes."""

    kind: str
    content: bytes

    def __str__(self) -> str:
        digest = base64.b64encode(hashlib.sha256(self.content).digest()).decode().rstrip("=")
        return f"{self.kind} SHA256:{digest}"

    @property
    def line(self) -> str:
        """As it is written in a configuration."""
        return f"{self.kind} {base64.b64encode(self.content).decode()}"


def agreed_keys(endpoint: Endpoint) -> list[HostKey]:
    """The keys that the server may show; none where nothing is agreed. ConfigurationError where they cannot be read."""
    if endpoint.host_key:
        origin = f"host_key of {endpoint.scheme}://{endpoint.host}"
        return [_key(_without_host(line.split()), origin) for line in endpoint.host_key.strip().splitlines()]
    if endpoint.known_hosts:
        return _known(endpoint, Path(endpoint.known_hosts).expanduser())
    return []


def check_host_key(endpoint: Endpoint, shown: HostKey, agreed: list[HostKey]) -> None:
    """HostKeyError unless the key that the server shows is agreed; to be called before anything secret is sent."""
    if shown in agreed:
        return
    if agreed:
        cause = f"the server shows the host key {shown}, agreed is {', '.join(map(str, agreed))}"
    else:
        cause = f"no host key is agreed for this server, which shows {shown}"
    advice = f"nothing was sent; ask the server's operator, and if he confirms it set host_key to: {shown.line}"
    raise failure_of(HostKeyError, endpoint, "", cause, advice)


def _without_host(words: list[str]) -> list[str]:
    """The words of a key that may have its host before it, as ssh-keyscan writes it."""
    return words[1:] if len(words) > 2 and not _is_key(words) and _is_key(words[1:]) else words


def _key(words: list[str], origin: str) -> HostKey:
    if not _is_key(words):
        found = " ".join(words)
        raise ConfigurationError(
            f"{origin}: expected a whole public key, ssh-ed25519 AAAA… as ssh-keyscan writes it, found {found!r}"
        )
    return HostKey(words[0], base64.b64decode(words[1]))


def _is_key(words: list[str]) -> bool:
    try:
        return _is_whole(words[0], base64.b64decode(words[1], validate=True))
    except (IndexError, ValueError):  # text that is not ASCII is no base64 either
        return False


def _is_whole(kind: str, content: bytes) -> bool:
    """Whether a key is fields that each say how long they are, the first of them the type (RFC 4253, section 6.6)."""
    fields = []
    while content:
        size = int.from_bytes(content[:4])
        fields.append(content[4 : 4 + size])
        if len(content) < 4 + size:
            return False
        content = content[4 + size :]
    return len(fields) > 1 and fields[0] == kind.encode()


def _known(endpoint: Endpoint, file: Path) -> list[HostKey]:
    host = endpoint.host if endpoint.port in {0, 22} else f"[{endpoint.host}]:{endpoint.port}"
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"known_hosts: {file}: {error}; expected a file as ssh-keyscan writes it") from error
    known: list[HostKey] = []
    revoked: list[HostKey] = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or line.startswith("#") or not _names(words[0], host):
            continue
        if marker in {"", "@revoked"}:
            (revoked if marker else known).append(_key(words[1:], f"known_hosts: {file}:{number}"))
    return [key for key in known if key not in revoked]


def _names(names: str, host: str) -> bool:
    return any(
        name == host or (name.startswith("|1|") and paramiko.HostKeys.hash_host(host, name) == name)
        for name in names.split(",")
    )
