"""FTPS servers that end their data connections otherwise than TLS has it are written to, and nothing is cut."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.transfer.base import ConnectionLostError, Endpoint
from pipelines.transfer.connect import connect
from pipelines.transfer.steady import steady
from sftp_fixtures.tls import make_certificate

DATA = b"0123456789" * 100_000


class _Tls:
    """FTPS that ends its data connections as Microsoft's does: closes bare, or waits for the client's end first."""

    def __init__(self, directory: Path, waits: bool, loses: int) -> None:
        certificate = make_certificate(directory)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.certificate_file, certificate.key_file)
        self._waits, self._loses = waits, loses
        self.files: dict[str, bytes] = {}
        self.ca_file = str(certificate.ca_file)

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._talk, args=(listener.accept()[0],), daemon=True).start()

    def _talk(self, control: socket.socket) -> None:
        control.sendall(b"220 ready\r\n")
        assert control.recv(100) == b"AUTH TLS\r\n"
        control.sendall(b"234 ok\r\n")
        with (
            self._context.wrap_socket(control, server_side=True) as protected,
            protected.makefile() as lines,
            socket.create_server(("127.0.0.1", 0)) as passive,
        ):
            for line in lines:
                command, _, path = line.strip().partition(" ")
                for answer in self._answers(command, path, passive):
                    protected.sendall(answer.encode() + b"\r\n")

    def _answers(self, command: str, path: str, passive: socket.socket) -> Iterator[str]:
        high, low = divmod(passive.getsockname()[1], 256)
        if command == "STOR":
            yield "150 here"
            self.files[path] = self._receive(passive.accept()[0])
        elif command == "RNFR":
            self._source = path
        elif command == "RNTO":
            self.files[path] = self.files.pop(self._source)
        size = f"213 {len(self.files[path])}" if path in self.files else "550 not found"
        others = {"USER": "331 pw", "PASV": f"227 ok (127,0,0,1,{high},{low})", "RNFR": "350 go on", "SIZE": size}
        yield others.get(command, "200 ok")

    def _receive(self, plain: socket.socket) -> bytes:
        content = bytearray()
        with self._context.wrap_socket(plain, server_side=True) as data:
            while block := data.recv(1 << 16):
                content += block
            with socket.socket(fileno=data.detach()) as bare:
                while self._waits and bare.recv(1 << 16):
                    pass
        return bytes(content[: len(content) - self._loses])


@contextmanager
def tls(directory: Path, *, waits: bool = False, loses: int = 0) -> Iterator[tuple[Endpoint, dict[str, bytes]]]:
    server = _Tls(directory, waits, loses)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=server.serve, args=(listener,), daemon=True).start()
        port = listener.getsockname()[1]
        endpoint = Endpoint("ftps", "127.0.0.1", port, "u", "/", secret="s3cret", ca_file=server.ca_file)
        yield replace(endpoint, retries=1, retry_wait_s=0.05, idle_timeout_s=5.0), server.files
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("waits", [False, True])
def test_ftps_that_does_not_answer_the_end_of_a_connection_is_written_to(tmp_path: Path, waits: bool) -> None:
    began = time.monotonic()
    with tls(tmp_path, waits=waits) as (endpoint, files), steady(endpoint) as transport:
        transport.write("a.RCP", [DATA])
    assert files == {"/a.RCP": DATA}
    assert time.monotonic() - began < 4


def test_ftps_that_ends_bare_and_keeps_less_is_a_lost_connection(tmp_path: Path) -> None:
    with (
        tls(tmp_path, loses=1) as (endpoint, files),
        connect(endpoint) as transport,
        pytest.raises(ConnectionLostError, match=f"{len(DATA) - 1} of {len(DATA)} bytes"),
    ):
        transport.write("a.RCP", [DATA])
    assert list(files) == ["/a.RCP.tmp"], "never under the name that a reader asks for"
