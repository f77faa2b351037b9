"""A TCP proxy that cuts, stalls or corrupts what a server sends, at a byte that the test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
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
    """Passes everything until it is armed; `chunks` are the sizes of what came from the server, piece by piece.

    `delay_s` is how much later everything comes, in either direction, as on a long line: half a round trip.
    """

    def __init__(self, endpoint: Endpoint, delay_s: float = 0) -> None:
        self.endpoint = replace(endpoint, host=_HOST)
        self.chunks: list[int] = []
        self.connections = 0
        self.troubles = 0
        self._server_host = endpoint.host
        self._delay_s = delay_s
        self._server_port: int | None = None
        self._left: list[int] = []
        self._trouble = Trouble.CUT
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def passed(self) -> int:
        """Bytes that came from the server."""
        return sum(self.chunks)

    def arm(self, after: int, trouble: Trouble, again: Sequence[int] = ()) -> None:
        """Make trouble when `after` more bytes have come from the server, and `again` after so many more each."""
        self._left, self._trouble = [after, *again], trouble

    def flow(self) -> None:
        """Let new connections pass after a stall."""
        self._loop.call_soon_threadsafe(self._flows.set)

    def lead_to(self, endpoint: Endpoint) -> None:
        """From now on connect to another server, of one port, at the old address."""
        self._server_port = endpoint.port

    async def serve(self, port: int) -> asyncio.Server:
        self._loop = asyncio.get_running_loop()

        async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.add(writer)
            self.connections += 1
            try:
                server_reader, server_writer = await asyncio.open_connection(
                    self._server_host, self._server_port or port
                )
            except OSError:
                writer.close()  # the server is down, and looks so from here
                return
            self._writers.add(server_writer)
            flows = (
                self._pass(reader, server_writer, is_answer=False),
                self._pass(server_reader, writer, is_answer=True),
            )
            with suppress(asyncio.CancelledError):  # the proxy's end, which asyncio would print as an error
                await asyncio.gather(*flows)

        return await asyncio.start_server(connect, _HOST, port)

    async def cut(self) -> None:
        """Close every connection, once what was written has gone."""
        for writer in list(self._writers):
            writer.close()

    async def end(self) -> None:
        """Close every connection at once: one that waits for its last bytes to go would outlive the loop."""
        for writer in self._writers:
            transport = writer.transport
            if not transport.is_closing() or transport.get_write_buffer_size():  # else it is closed, or about to be
                transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_answer: bool) -> None:
        try:
            chunks = self._later(reader) if self._delay_s else _chunks(reader)
            async for chunk in chunks:
                if writer.is_closing():
                    break
                await self._flows.wait()
                place = self._place_in(chunk) if is_answer else None
                chunk = chunk if place is None else self._troubled(chunk, place)
                writer.write(chunk)
                if place is not None and self._trouble is Trouble.CUT:
                    await self.cut()
                if is_answer:
                    self.chunks.append(len(chunk))
                await writer.drain()
        except OSError:
            pass  # a connection that is gone is what this proxy is for
        finally:
            writer.close()

    async def _later(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """What comes, each piece once its time has come; what follows it is on its way meanwhile."""
        loop, under_way = asyncio.get_running_loop(), asyncio.Queue[tuple[float, bytes]]()

        async def receive() -> None:
            with suppress(OSError):
                async for chunk in _chunks(reader):
                    under_way.put_nowait((loop.time() + self._delay_s, chunk))
            under_way.put_nowait((loop.time() + self._delay_s, b""))

        receiving = asyncio.create_task(receive())
        try:
            while True:
                due, chunk = await under_way.get()
                await asyncio.sleep(due - loop.time())
                if not chunk:
                    return
                yield chunk
        finally:
            receiving.cancel()

    def _place_in(self, chunk: bytes) -> int | None:
        """Where in this chunk the trouble begins, None if it does not."""
        if not self._left:
            return None
        place = self._left[0]
        self._left[0] -= len(chunk)
        if self._left[0] >= 0:
            return None
        self._left.pop(0)
        self.troubles += 1
        return place

    def _troubled(self, chunk: bytes, place: int) -> bytes:
        if self._trouble is Trouble.CORRUPT:
            return chunk[:place] + bytes([chunk[place] ^ 0xFF]) + chunk[place + 1 :]
        if self._trouble is Trouble.STALL:
            self._flows.clear()
        return chunk[:place]


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while chunk := await reader.read(_CHUNK):
        yield chunk


@contextmanager
def proxy(endpoint: Endpoint, delay_s: float = 0) -> Iterator[Proxy]:
    """A proxy before a server of this machine; connect to its `endpoint` instead."""
    ports = [endpoint.port, *range(endpoint.port + 1, endpoint.port + 1 + DATA_PORTS)]
    with loop_thread() as thread:
        made = Proxy(endpoint, delay_s)
        servers = [thread.run(made.serve(port)) for port in (ports if endpoint.scheme != "sftp" else ports[:1])]
        try:
            yield made
        finally:
            for server in servers:
                thread.loop.call_soon_threadsafe(server.close)
            thread.run(made.end())
