"""Where alarms go beside the log: a webhook that takes JSON, and mail."""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from email.message import EmailMessage
from email.utils import parseaddr
from hashlib import sha256
from http.client import HTTPException
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pipelines.config_fields import is_http
from pipelines.config_telling import MailConfig, WebhookConfig
from pipelines.errors import ConfigurationError, TransferError
from pipelines.telling.message import Message, Sent

_PATIENCE_S = 5  # until the next byte of an answer
_DEADLINE_S = 30  # for all of a message: an answer may come byte by byte
_CHARSET = "utf-8"
Result = TypeVar("Result")
_REDIRECTED = 300  # and above: what was posted was not taken
_FOR_GOOD = 500  # and above: a mail server answers with less where it may take a message later


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without a body, and be answered as if it had been taken."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Webhook:
    """Posts `{"text": …, …}`: `text` is what chat programs show, the rest is for programs."""

    places = ("webhook",)

    def __init__(self, config: WebhookConfig) -> None:
        self._url = config.url.read().strip()
        self._secret = config.secret.read().strip() if config.secret else None
        if not is_http(self._url):
            raise ConfigurationError(
                f"{config.url.where}: expected a URL such as https://chat.example/hooks/x, found something else, "
                "not shown here"
            )
        self._where = f"webhook at {urlsplit(self._url).hostname}"  # the rest of a hook's URL is often a secret

    def send(self, message: Message, places: list[str]) -> Sent:
        content = {"text": f"{message.subject}\n{message.text}", **message.content}
        body = json.dumps(content, ensure_ascii=False, default=str).encode(_CHARSET)
        status = self._ask("POST", body)
        if status >= _REDIRECTED:
            raise TransferError(f"{self._where}: expected it to take the message, found status {status}")
        return Sent(places)

    def probe(self) -> str:
        """Ask for no more than headers: whoever answers, whatever it is, is there. Raises TransferError."""
        return f"{self._where} answers, with status {self._ask('HEAD', None)}; whether it takes messages only one tells"

    def _ask(self, method: str, body: bytes | None) -> int:
        """The status of the answer. Raises TransferError where there is none."""
        expected = f"{self._where}: expected it to take the message, found"
        headers = {"Content-Type": f"application/json; charset={_CHARSET}"}
        if self._secret is not None:
            headers["Authorization"] = f"Bearer {self._secret}"
        try:
            request = urllib.request.Request(self._url, data=body, headers=headers, method=method)
            return _in_time(lambda: _status(request))
        except urllib.error.URLError as error:
            raise TransferError(f"{expected}: {error.reason}") from None
        except (OSError, ValueError, HTTPException) as error:  # of the latter the text may hold the URL or the token
            found = str(error) if isinstance(error, OSError) else type(error).__name__
            raise TransferError(f"{expected}: {found}") from None


def _status(request: urllib.request.Request) -> int:
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_PATIENCE_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


class Mail:
    """Sends one message to all; over TLS wherever a password is given, else where the server offers it.

    Each address is a place, for a server may take the same message for one and not for another.
    """

    def __init__(self, config: MailConfig) -> None:
        self._config = config
        self._where = f"mail server {config.host}:{config.port}"
        addresses = [parseaddr(stated)[1] for stated in config.to]
        self._addresses = {f"mail {sha256(each.encode(_CHARSET)).hexdigest()[:12]}": each for each in addresses}

    @property
    def places(self) -> tuple[str, ...]:
        return tuple(self._addresses)

    def send(self, message: Message, places: list[str]) -> Sent:
        mail = self._written(message)
        to = [self._addresses[place] for place in places]
        refused = self._do(lambda server: server.send_message(mail, to_addrs=to))
        later = {address for address, (status, _) in refused.items() if status < _FOR_GOOD}
        return Sent(
            [place for place in places if self._addresses[place] not in later],
            [self._not_for(address, refused[address]) for address in sorted(later)],
            [self._not_for(address, refused[address]) for address in sorted(refused.keys() - later)],
        )

    def probe(self) -> str:
        """Log in as for a message and send none. Raises TransferError."""
        self._do(lambda server: server.noop())
        return f"{self._where} lets us in; whether it takes messages only one tells"

    def _do(self, work: Callable[[smtplib.SMTP], Result]) -> Result:
        password = self._config.secret.read().strip() if self._config.secret else None
        try:
            return _in_time(lambda: self._with_server(work, password))
        except (OSError, ValueError, smtplib.SMTPException) as error:
            raise TransferError(f"{self._where}: expected it to take the message, found: {_said(error)}") from None

    def _not_for(self, address: str, answer: tuple[int, bytes]) -> str:
        return f"{self._where}: took the message, but not for {address}: {_answered(*answer)}"

    def _written(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = f"[tierline] {message.subject}"
        mail["From"], mail["To"] = self._config.sender, ", ".join(self._config.to)
        # The same message again, after a crash between sending and noting it, can be told by its id.
        digest = sha256(f"{message.subject}\n{message.text}".encode(_CHARSET)).hexdigest()[:32]
        mail["Message-ID"] = f"<{digest}@tierline>"
        mail.set_content(message.text, charset=_CHARSET)
        return mail

    def _with_server(self, work: Callable[[smtplib.SMTP], Result], password: str | None) -> Result:
        config, context = self._config, ssl.create_default_context(cafile=self._config.ca_file)
        server: smtplib.SMTP
        if config.scheme == "smtps":
            server = smtplib.SMTP_SSL(config.host, config.port, timeout=_PATIENCE_S, context=context)
        else:
            server = smtplib.SMTP(config.host, config.port, timeout=_PATIENCE_S)
        try:
            server.ehlo()
            if config.scheme == "smtp" and (password is not None or server.has_extn("starttls")):
                server.starttls(context=context)
                server.ehlo()
            if password is not None:
                server.login(config.user, password)
            return work(server)
        finally:
            # Nobody waits for its good-bye: what it took it has taken, whatever it answers to that.
            with suppress(smtplib.SMTPServerDisconnected):
                server.putcmd("QUIT")
            server.close()


def _in_time(work: Callable[[], Result]) -> Result:
    """What the work gives; raises what it raises, and TimeoutError once it takes too long: then it is left alone."""
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    thread = Thread(target=run, daemon=True)  # so that no command waits for it at its end
    thread.start()
    thread.join(_DEADLINE_S)
    if not outcome.done():
        raise TimeoutError(f"no end of its answer within {_DEADLINE_S} s")
    return outcome.result()


def _said(error: Exception) -> str:
    """What a mail server answered, in one line."""
    if isinstance(error, smtplib.SMTPResponseException):
        return _answered(error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(f"{address}: {_answered(*answer)}" for address, answer in sorted(error.recipients.items()))
    if isinstance(error, ValueError):  # its text may hold the password
        return type(error).__name__
    return " ".join(str(error).split()) or type(error).__name__


def _answered(status: int, words: bytes | str) -> str:
    text = words.decode(_CHARSET, "replace") if isinstance(words, bytes) else words
    return f"{status} {' '.join(text.split())}"
