"""Where alarms go beside the log: a webhook that takes JSON, and mail."""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from email.message import EmailMessage
from hashlib import sha256
from urllib.parse import urlsplit

from pipelines.config import MailConfig, WebhookConfig
from pipelines.errors import TransferError
from pipelines.telling.message import Message

_PATIENCE_S = 10
_CHARSET = "utf-8"


class Webhook:
    """Posts `{"text": …, …}`: `text` is what chat programs show, the rest is for programs."""

    name = "webhook"

    def __init__(self, config: WebhookConfig) -> None:
        self._url = config.url.read()
        self._secret = config.secret.read() if config.secret else None
        self._where = f"webhook at {urlsplit(self._url).hostname}"  # the rest of a hook's URL is often a secret

    def send(self, message: Message) -> None:
        headers = {"Content-Type": f"application/json; charset={_CHARSET}"}
        if self._secret is not None:
            headers["Authorization"] = f"Bearer {self._secret}"
        content = {"text": f"{message.subject}\n{message.text}", **message.content}
        body = json.dumps(content, ensure_ascii=False, default=str).encode(_CHARSET)
        request = urllib.request.Request(self._url, data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_S):
                pass
        except urllib.error.HTTPError as error:
            raise TransferError(f"{self._where}: expected it to take the message, found status {error.code}") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise TransferError(f"{self._where}: expected it to answer, found: {reason}") from None


class Mail:
    """Sends one message to all; over TLS wherever a password is given, else where the server offers it."""

    name = "mail"

    def __init__(self, config: MailConfig) -> None:
        self._config = config
        self._where = f"mail server {config.host}:{config.port}"

    def send(self, message: Message) -> None:
        mail = EmailMessage()
        mail["Subject"] = f"[tierline] {message.subject}"
        mail["From"], mail["To"] = self._config.sender, ", ".join(self._config.to)
        # The same message again, after a crash between sending and noting it, can be told by its id.
        digest = sha256(f"{message.subject}\n{message.text}".encode(_CHARSET)).hexdigest()[:32]
        mail["Message-ID"] = f"<{digest}@tierline>"
        mail.set_content(message.text, charset=_CHARSET)
        try:
            self._send(mail)
        except (OSError, smtplib.SMTPException) as error:
            raise TransferError(f"{self._where}: expected it to take the message, found: {_said(error)}") from None

    def _send(self, mail: EmailMessage) -> None:
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
                server.login(config.user, config.secret.read())
            server.send_message(mail)


def _said(error: Exception) -> str:
    """What a mail server answered, in one line."""
    if isinstance(error, smtplib.SMTPResponseException):
        answer = (
            error.smtp_error.decode(_CHARSET, "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        )
        return f"{error.smtp_code} {' '.join(str(answer).split())}"
    return " ".join(str(error).split()) or type(error).__name__
