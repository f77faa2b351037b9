"""How single values of `tierline.yaml` are read: numbers, days, secrets, endpoints."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from pipelines.config_keys import SOURCE, Key
from pipelines.contracts.yaml_lines import Item
from pipelines.errors import ConfigurationError
from pipelines.transfer.base import Endpoint

_PORTS = {"sftp": 22, "ftps": 21, "ftp": 21, "file": 0}
_PROOFS = ("key_file", "host_key", "known_hosts", "ca_file")

# How each kind of reference is read; the Airflow side adds `airflow`, so that nothing here depends on it.
SECRET_READERS: dict[str, Callable[[str], str]] = {
    "env": lambda name: os.environ[name],
    "file": lambda path: Path(path).read_text(encoding="utf-8").rstrip("\r\n"),
    "text": lambda text: text,  # of ours alone: what stands in the configuration and is no secret
}


@dataclass(frozen=True)
class SecretRef:
    """Where a secret is to be found: `env:NAME`, `file:PATH` or `airflow:CONNECTION_ID`; never the secret itself."""

    reference: str
    where: str  # file and line, for messages

    def read(self) -> str:
        """The secret; raises ConfigurationError where there is none, or no text. Never to be put into a message."""
        kind, _, name = self.reference.partition(":")
        if kind not in SECRET_READERS:
            raise ConfigurationError(f"{self.where}: {self.reference} can be read only inside Airflow.")
        try:
            secret = SECRET_READERS[kind](name)
            secret.encode("utf-8")  # what a variable of the environment holds is not decoded strictly
        except (KeyError, OSError) as error:
            raise ConfigurationError(f"{self.where}: expected {self.reference} to exist, found none.") from error
        except UnicodeError:  # which has the secret in it
            raise ConfigurationError(
                f"{self.where}: expected {self.reference} to hold text in UTF-8, found other bytes."
            ) from None
        return secret


def read_whole(fields: dict[str, Item], keys: dict[str, Key], name: str) -> int:
    """A whole number, or what holds without it."""
    if name in fields:
        return fields[name].whole(keys[name].least, keys[name].most)
    default = keys[name].default
    assert isinstance(default, int), f"the default of {name} is a number"
    return default


def read_file(stated: str | None, home: Path) -> str | None:
    """A file that the configuration names, relative to the home."""
    return None if stated is None else str(home / stated)


def read_encoding(fields: dict[str, Item]) -> str:
    """How a source's or receiver's text is written."""
    return fields["encoding"].choice(["utf-8", "gb18030"]) if "encoding" in fields else "utf-8"


def read_secret(fields: dict[str, Item], home: Path, key: str = "secret") -> SecretRef | None:
    """Where a secret is; what is written in its place by mistake is not shown."""
    if key not in fields:
        return None
    item = fields[key]
    kind, _, name = str(item.value).partition(":")
    if kind not in ("env", "file", "airflow") or not name:
        raise item.error("env:NAME, file:PATH or airflow:CONNECTION_ID", "something else, not shown here")
    if kind == "file":
        name = str(home / name)
    return SecretRef(f"{kind}:{name}", f"{item.file}, line {item.line}, key {key}")


def read_date(item: Item) -> date:
    """A day."""
    try:
        return date.fromisoformat(item.text())
    except ValueError:
        raise item.error("a day such as 2026-10-01") from None


def is_http(url: str) -> bool:
    """Whether it is a URL of HTTP; not with a user in it, who would be taken for a part of the server's name."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def read_endpoint(fields: dict[str, Item], home: Path) -> Endpoint:
    """A server or directory, and how a connection to it is kept."""
    url = _url(fields["url"])
    optional = {key: fields[key].text() if key in fields else None for key in _PROOFS}
    return Endpoint(
        scheme=url.scheme,
        host=url.hostname or "",
        port=url.port or _PORTS[url.scheme],
        user=unquote(url.username or ""),
        root=unquote(url.path) or "/",
        key_file=read_file(optional["key_file"], home),
        host_key=optional["host_key"],
        known_hosts=read_file(optional["known_hosts"], home),
        ca_file=read_file(optional["ca_file"], home),
        connect_timeout_s=read_whole(fields, SOURCE, "connect_timeout"),
        idle_timeout_s=read_whole(fields, SOURCE, "idle_timeout"),
        retries=read_whole(fields, SOURCE, "retries"),
    )


def _url(item: Item) -> SplitResult:
    """The URL of a server or directory; what may hold a password is not shown."""
    text = item.text()
    try:
        url = urlsplit(text)
        _ = url.port  # which is read only now
    except ValueError:
        raise item.error("a URL such as sftp://user@host:22/root", "another, not shown here") from None
    if url.password is not None:
        raise item.error("a URL without a password (use the key secret)", "one in it")
    if "?" in text or "#" in text:  # what stands behind it is no part of the path, as a URL is read
        raise item.error("a URL without ? and # (write %3F for ?, %23 for #)", "one of them")
    if url.scheme not in _PORTS:
        raise item.error("a URL that begins with sftp://, ftps://, ftp:// or file:///")
    if url.scheme == "file" and (url.netloc not in ("", "localhost") or not url.path.startswith("/")):
        raise item.error("file:// and a path from the root on, so three slashes: file:///root")
    if url.scheme != "file" and not (url.hostname and url.username):
        raise item.error(f"{url.scheme}://user@host[:port]/root", "no user, or no host")
    return url
