"""A webhook and a mail server of one's own, which keep what they are sent."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from sftp_fixtures.ports import free_ports


@dataclass
class Hook:
    """What a webhook was posted (headers, content), and the status with which it answers."""

    port: int
    status: int = 200
    posts: list[tuple[dict[str, str], Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/T0P"


@contextmanager
def webhook() -> Iterator[Hook]:
    hook = Hook(free_ports(1))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if hook.status < 300:
                hook.posts.append((dict(self.headers), json.loads(body)))
            self.send_response(hook.status)
            if hook.status == 302:
                self.send_header("Location", "/login")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads along."""

    with ThreadingHTTPServer(("127.0.0.1", hook.port), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Mailbox:
    """What a mail server took; whether it refuses `slow@…` for a while, and how it says good-bye."""

    port: int
    mails: list[Message] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)
    is_busy: bool = False
    farewell: str = "221 Bye"


@contextmanager
def mail_server(context: ssl.SSLContext | None = None, password: str | None = None) -> Iterator[Mailbox]:
    """With a password it takes mail only after STARTTLS and a login."""
    box = Mailbox(free_ports(1))

    class Handler:
        async def handle_RCPT(  # noqa: N802
            self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
        ) -> str:
            if address.startswith("gone@"):
                return "550 nobody of that name"
            if address.startswith("slow@") and box.is_busy:
                return "450 try again later"
            envelope.rcpt_tos.append(address)
            return "250 known"

        async def handle_DATA(  # noqa: N802  # the name by which aiosmtpd calls it
            self, server: SMTP, session: Session, envelope: Envelope
        ) -> str:
            box.mails.append(message_from_bytes(envelope.content or b"", policy=default))
            box.recipients.append(list(envelope.rcpt_tos))
            box.over_tls.append(session.ssl is not None)
            return "250 taken"

        async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
            return box.farewell

    def login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword) -> AuthResult:
        return AuthResult(success=given.password.decode() == password, handled=False)

    settings: dict[str, Any] = {}
    if password is not None:
        settings = {"authenticator": login, "auth_required": True, "require_starttls": True}
    controller = Controller(Handler(), "127.0.0.1", box.port, tls_context=context, **settings)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@contextmanager
def trickling(begin: bytes, pause_s: float = 0.1) -> Iterator[int]:
    """A server that begins to answer and then says a byte at a time, never the end of it; gives its port."""
    is_over = Event()

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            said = begin
            while not is_over.is_set():
                try:
                    self.request.sendall(said)
                except OSError:
                    return
                said = b"x"
                is_over.wait(pause_s)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            is_over.set()
            server.shutdown()
            thread.join()
