"""A TCP proxy that cuts, stalls or corrupts what a server sends, at a byte that the test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum

from pipelines.transfer.base import Endpoint
from sftp_fixtures.loops import loop_thread
from sftp_fixtures.ports import DATA_PORTS

_HOST = "127.0.0.2"  # the server's ports at another address, so that FTP's data connections come through here too
_CHUNK = 64 * 1024


class Trouble(Enum):
    """What happens once enough bytes have passed."""

    CUT = "cut"  # every connection is closed
    STALL = "stall"  # nothing passes any more, in either direction, and nothing is closed
    CORRUPT = "corrupt"  # one byte is changed


class Proxy:
    """Passes everything until it is armed; `passed` counts the bytes from the server to the client."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = replace(endpoint, host=_HOST)
        self.passed = 0
        self._server_host = endpoint.host
        self._left: int | None = None
        self._trouble = Trouble.CUT
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()

    def arm(self, after: int, trouble: Trouble) -> None:
        """Make trouble, once, when `after` more bytes have come from the server."""
        self._left, self._trouble = after, trouble

    async def serve(self, port: int) -> asyncio.Server:
        async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.add(writer)
            try:
                server_reader, server_writer = await asyncio.open_connection(self._server_host, port)
            except OSError:
                writer.close()  # the server is down, and looks so from here
                return
            self._writers.add(server_writer)
            await asyncio.gather(
                self._pass(reader, server_writer, is_answer=False), self._pass(server_reader, writer, is_answer=True)
            )

        return await asyncio.start_server(connect, _HOST, port)

    async def cut(self) -> None:
        """Close every connection."""
        for writer in list(self._writers):
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_answer: bool) -> None:
        try:
            while chunk := await reader.read(_CHUNK):
                await self._flows.wait()
                writer.write(await self._troubled(chunk) if is_answer else chunk)
                await writer.drain()
                await self._flows.wait()
        except OSError:
            pass  # a connection that is gone is what this proxy is for
        finally:
            writer.close()
            self._writers.discard(writer)

    async def _troubled(self, chunk: bytes) -> bytes:
        """The chunk as it goes on; the trouble itself where this is the place for it."""
        if self._left is not None and len(chunk) > self._left:
            place, self._left = self._left, None
            if self._trouble is Trouble.CORRUPT:
                chunk = chunk[:place] + bytes([chunk[place] ^ 0xFF]) + chunk[place + 1 :]
            else:
                chunk = chunk[:place]
                if self._trouble is Trouble.STALL:
                    self._flows.clear()
                else:
                    asyncio.get_running_loop().call_soon(asyncio.ensure_future, self.cut())
        elif self._left is not None:
            self._left -= len(chunk)
        self.passed += len(chunk)
        return chunk


@contextmanager
def proxy(endpoint: Endpoint) -> Iterator[Proxy]:
    """A proxy before a server of this machine; connect to its `endpoint` instead."""
    ports = [endpoint.port, *range(endpoint.port + 1, endpoint.port + 1 + DATA_PORTS)]
    with loop_thread() as thread:
        made = Proxy(endpoint)
        servers = [thread.run(made.serve(port)) for port in (ports if endpoint.scheme != "sftp" else ports[:1])]
        try:
            yield made
        finally:
            for server in servers:
                thread.loop.call_soon_threadsafe(server.close)
            thread.run(made.cut())
