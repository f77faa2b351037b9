"""Where alarms go beside the log: a webhook that takes JSON, and mail."""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import EmailMessage
from hashlib import sha256
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from pipelines.config import MailConfig, WebhookConfig
from pipelines.errors import ConfigurationError, TransferError
from pipelines.telling.message import Message

_PATIENCE_S = 5
_CHARSET = "utf-8"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without a body, and be answered as if it had been taken."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Webhook:
    """Posts `{"text": …, …}`: `text` is what chat programs show, the rest is for programs."""

    name = "webhook"

    def __init__(self, config: WebhookConfig) -> None:
        self._url = config.url.read().strip()
        self._secret = config.secret.read().strip() if config.secret else None
        parts = urlsplit(self._url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ConfigurationError(
                f"{config.url.where}: expected a URL such as https://chat.example/hooks/x, found something else, "
                "not shown here"
            )
        self._where = f"webhook at {parts.hostname}"  # the rest of a hook's URL is often a secret

    def send(self, message: Message) -> list[str]:
        headers = {"Content-Type": f"application/json; charset={_CHARSET}"}
        if self._secret is not None:
            headers["Authorization"] = f"Bearer {self._secret}"
        content = {"text": f"{message.subject}\n{message.text}", **message.content}
        body = json.dumps(content, ensure_ascii=False, default=str).encode(_CHARSET)
        expected = f"{self._where}: expected it to take the message, found"
        try:
            request = urllib.request.Request(self._url, data=body, headers=headers, method="POST")
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=_PATIENCE_S):
                return []
        except urllib.error.HTTPError as error:
            raise TransferError(f"{expected} status {error.code}") from None
        except urllib.error.URLError as error:
            raise TransferError(f"{expected}: {error.reason}") from None
        except (OSError, ValueError, HTTPException) as error:  # of the latter the text may hold the URL or the token
            found = str(error) if isinstance(error, OSError) else type(error).__name__
            raise TransferError(f"{expected}: {found}") from None


class Mail:
    """Sends one message to all; over TLS wherever a password is given, else where the server offers it."""

    name = "mail"

    def __init__(self, config: MailConfig) -> None:
        self._config = config
        self._where = f"mail server {config.host}:{config.port}"

    def send(self, message: Message) -> list[str]:
        mail = EmailMessage()
        mail["Subject"] = f"[tierline] {message.subject}"
        mail["From"], mail["To"] = self._config.sender, ", ".join(self._config.to)
        # The same message again, after a crash between sending and noting it, can be told by its id.
        digest = sha256(f"{message.subject}\n{message.text}".encode(_CHARSET)).hexdigest()[:32]
        mail["Message-ID"] = f"<{digest}@tierline>"
        mail.set_content(message.text, charset=_CHARSET)
        try:
            refused = self._send(mail)
        except (OSError, ValueError, smtplib.SMTPException) as error:
            raise TransferError(f"{self._where}: expected it to take the message, found: {_said(error)}") from None
        return [f"{self._where}: took the message, but not for {', '.join(sorted(refused))}"] if refused else []

    def _send(self, mail: EmailMessage) -> Mapping[str, object]:
        config, context = self._config, ssl.create_default_context(cafile=self._config.ca_file)
        opened: smtplib.SMTP
        if config.scheme == "smtps":
            opened = smtplib.SMTP_SSL(config.host, config.port, timeout=_PATIENCE_S, context=context)
        else:
            opened = smtplib.SMTP(config.host, config.port, timeout=_PATIENCE_S)
        with opened as server:
            server.ehlo()
            if config.scheme == "smtp" and (config.secret or server.has_extn("starttls")):
                server.starttls(context=context)
                server.ehlo()
            if config.secret is not None:
                server.login(config.user, config.secret.read().strip())
            return server.send_message(mail)


def _said(error: Exception) -> str:
    """What a mail server answered, in one line."""
    if isinstance(error, smtplib.SMTPResponseException):
        answer = (
            error.smtp_error.decode(_CHARSET, "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        )
        return f"{error.smtp_code} {' '.join(str(answer).split())}"
    if isinstance(error, ValueError):  # its text may hold the password
        return type(error).__name__
    return " ".join(str(error).split()) or type(error).__name__
