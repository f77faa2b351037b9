"""A data file as a stream of blocks of whole lines, within the limits of its contract.

Everything here works on bytes as received (of the gzip's content where it is one), so that memory is bounded by
the block size and not by the file. The borders of blocks carry no meaning: no result depends on them.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.contracts.model import Limits

BLOCK_BYTES = 8 << 20
_SLICE_BYTES = 64 << 10
_GZIP_MAGIC = b"\x1f\x8b"


class Refused(Exception):
    """A file check failed: the file is refused whole with `code`; the judge turns this into a value."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class DigestReader:
    """Reads a file in blocks and digests what it reads, so that one pass serves both."""

    def __init__(self, path: Path, algorithm: str, block_bytes: int = BLOCK_BYTES) -> None:
        self._path = path
        self._digest = hashlib.new(algorithm, usedforsecurity=False)
        self._block_bytes = block_bytes
        self._read = 0

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._read)
            while block := file.read(self._block_bytes):
                self._digest.update(block)
                self._read += len(block)
                yield block

    def read_to_end(self) -> None:
        """Digest what the iteration, given up early, has not read."""
        for _ in self:
            pass

    @property
    def hexdigest(self) -> str:
        """Of what was read so far: of the whole file once the iteration has ended."""
        return self._digest.hexdigest()


def gunzip(blocks: Iterator[bytes], compressed_bytes: int, limits: Limits, block_bytes: int) -> Iterator[bytes]:
    """The content of a gzip of one or more members, in blocks of `block_bytes` whatever its members are.

    Refused E204 where it is not sound, E205 beyond the ratio: of all content to the whole file, so that it does not
    depend on how the file was read.
    """
    most = limits.gzip_ratio * compressed_bytes
    content_bytes = 0
    member: Any = None
    held = bytearray()
    for pending in _slices(blocks):
        while pending:
            if member is not None and member.eof and pending[:1] != _GZIP_MAGIC[:1]:
                raise Refused("E204", f"gzip followed by other bytes after {content_bytes} bytes of content")
            if member is None or member.eof:
                member = zlib.decompressobj(wbits=31)
            try:
                content = member.decompress(pending, block_bytes - len(held))
            except zlib.error as error:
                raise Refused("E204", f"gzip not sound after {content_bytes} bytes of content: {error}") from None
            content_bytes += len(content)
            if content_bytes > most:
                raise Refused("E205", f"gzip ratio above {limits.gzip_ratio}: expected at most {most} bytes")
            pending = member.unused_data if member.eof else member.unconsumed_tail
            held += content
            if len(held) == block_bytes:
                yield bytes(held)
                held.clear()
    if member is None or not member.eof:
        raise Refused("E204", f"gzip ends early, after {content_bytes} bytes of content")
    if held:
        yield bytes(held)


def _slices(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Short ones: what stands behind a member is copied at its end, and a file may have one for each record."""
    for block in blocks:
        for start in range(0, len(block), _SLICE_BYTES):
            yield block[start : start + _SLICE_BYTES]


def whole_lines(blocks: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    """Regroup blocks so that each ends with a line end (LF); only the last may lack it; E205 beyond limits."""
    blocks = _of_size(blocks, limits)
    rest = b""
    for block in blocks:
        cut = block.rfind(b"\n") + 1
        if cut == 0:
            rest += block
            _require_short(rest, blocks, limits)
            continue
        lines = rest + block[:cut]
        _require_short(lines, blocks, limits)
        yield lines
        rest = block[cut:]
    _require_short(rest, blocks, limits)
    if rest:
        yield rest


def _of_size(blocks: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    file_bytes = 0
    for block in blocks:
        file_bytes += len(block)
        if file_bytes > limits.file_bytes:
            raise Refused("E205", f"expected at most {limits.file_bytes} bytes uncompressed, found more")
        yield block


def _require_short(lines: bytes, blocks: Iterator[bytes], limits: Limits) -> None:
    if has_longer_line(lines, limits.line_bytes):
        for _ in blocks:  # E204 comes first, and asks for a resend: only at its end is a gzip known to be whole
            pass
        raise Refused("E205", f"expected lines of at most {limits.line_bytes} bytes, found a longer one")


def has_longer_line(lines: bytes, most: int) -> bool:
    """Whether a line is longer than `most` bytes without its line end; the last may still lack (a part of) that.

    It jumps from line end to line end as far as the limit allows.
    """
    start = 0
    while len(lines) - start > most:
        end = lines.rfind(b"\n", start, start + most + 1)
        if end < 0:
            if lines[start + most : start + most + 2] not in (b"\r\n", b"\r"):
                return True
            end = start + most + 1
        start = end + 1
    return False


def is_gzip(path: Path) -> bool:
    """Whether the name says that the file is a gzip; its content is judged when it is read (E204)."""
    return path.name.endswith(".gz")
