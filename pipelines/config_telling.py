"""Who is told of alarms beside the log, as `tierline.yaml` says under `alarms`: a webhook, people by mail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipelines.config_fields import SecretRef, is_http, read_file, read_secret
from pipelines.config_keys import MAIL, WEBHOOK, optional, required
from pipelines.contracts.yaml_lines import Item

_MAIL_PORTS = {"smtp": 25, "smtps": 465}
# A user (of this machine, where there is no @), or a name and one in brackets: what every mail program reads alike.
_WORDS = r"[^\s<>()\[\],;:@\"\\.]+(?:\.[^\s<>()\[\],;:@\"\\.]+)*"
_USER = rf"{_WORDS}(?:@{_WORDS})?"
_ADDRESS = re.compile(rf"{_USER}|(?:\"[^\"\\]*\"|{_WORDS}\.?(?: {_WORDS}\.?)*) <{_USER}>")


@dataclass(frozen=True)
class WebhookConfig:
    """Who is told of alarms as JSON: the URL, which may be a secret itself, and a bearer token."""

    url: SecretRef
    secret: SecretRef | None


@dataclass(frozen=True)
class MailConfig:
    """Who is told of alarms by mail, and through which server."""

    scheme: str  # smtp or smtps
    host: str
    port: int
    user: str
    secret: SecretRef | None
    ca_file: str | None
    sender: str
    to: tuple[str, ...]


def read_webhook(home: Path, item: Item) -> WebhookConfig:
    """Where alarms are posted."""
    fields = item.fields(required(WEBHOOK), optional(WEBHOOK))
    if ("url" in fields) == ("url_secret" in fields):
        raise item.error("either url or url_secret (env:NAME, file:PATH or airflow:CONNECTION_ID)")
    url = read_secret(fields, home, "url_secret")
    if url is None:
        stated = fields["url"].text()
        if not is_http(stated):
            raise fields["url"].error("a URL such as https://chat.example/hooks/tierline", "another")
        url = SecretRef(f"text:{stated}", f"{item.file}, line {item.line}, key url")
    return WebhookConfig(url, read_secret(fields, home))


def read_mail(home: Path, item: Item) -> MailConfig:
    """Who gets mails, from whom, and the server that takes them."""
    fields = item.fields(required(MAIL), optional(MAIL))
    expected = "a URL such as smtp://user@mail.example:587 or smtps://user@mail.example"
    try:
        url = urlsplit(fields["server"].text())
        port = url.port
    except ValueError:
        raise fields["server"].error(expected, "another, not shown here") from None  # a password may stand in it
    if url.scheme not in _MAIL_PORTS or not url.hostname or url.password is not None:
        raise fields["server"].error(expected, "another" if url.password is None else "one with a password in it")
    if "secret" in fields and not url.username:
        raise fields["server"].error("a user in the URL, since there is a secret")
    for each in (fields["from"], *fields["to"].items()):
        if not (each.text().isprintable() and _ADDRESS.fullmatch(each.text())):
            raise each.error("a mail address such as noc@example.cn")
    return MailConfig(
        url.scheme, url.hostname, port or _MAIL_PORTS[url.scheme], unquote(url.username or ""),
        read_secret(fields, home), read_file(fields["ca_file"].text() if "ca_file" in fields else None, home),
        fields["from"].text(), fields["to"].texts(),
    )  # fmt: skip
