"""The bytes of an archived batch as blocks of records, with header and trailer kept back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from pipelines.check_files import CheckFile
from pipelines.checks.blocks import Refused, gunzip, is_gzip, whole_lines
from pipelines.checks.decoding import UTF8_BOM
from pipelines.checks.framing import Trailer, read_header, read_trailer
from pipelines.checks.splitting import count_lines
from pipelines.contracts.model import Contract
from pipelines.cycles import Cycle
from pipelines.names import BatchName

_MOST_LINES = 1 << 17


@dataclass(frozen=True)
class ArchivedBatch:
    """A batch whose bytes stand in the archive, as its check file describes them."""

    path: Path
    name: BatchName
    cycle: Cycle
    check: CheckFile
    encoding: str  # utf-8 or gb18030


@dataclass(frozen=True)
class Framing:
    """What header and trailer say."""

    header_records: int
    trailer: Trailer


def content(batch: ArchivedBatch, contract: Contract, blocks: Iterator[bytes], block_bytes: int) -> Iterator[bytes]:
    """The lines of the file in blocks, decompressed, without a byte order mark."""
    if is_gzip(batch.path):
        blocks = gunzip(blocks, batch.path.stat().st_size, contract.limits, block_bytes)
    first = True
    for lines in whole_lines(blocks, contract.limits):
        yield lines.removeprefix(UTF8_BOM) if first and batch.encoding == "utf-8" else lines
        first = False


class FramedBlocks:
    """Passes on the blocks of records with the number of their first line; keeps header and trailer back.

    `contract` is the version of the contract that reads the file, as its header says. Raises Refused, also when made.
    """

    def __init__(self, batch: ArchivedBatch, agreed: Contract, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        first = next(blocks, b"")
        cut = first.find(b"\n") + 1 or len(first)
        try:
            self.contract, self._header_records = read_header(first[:cut], batch.name, batch.cycle.day, agreed)
        except Refused:
            for _ in blocks:  # E204 and E205 come first: read on, they are raised by the blocks
                pass
            raise
        self._first = first[cut:]
        self._trailer: Trailer | None = None

    def framing(self) -> Framing:
        assert self._trailer is not None, "asked before the blocks were read"
        return Framing(self._header_records, self._trailer)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        block = self._first
        line = 2
        for following in self._blocks:
            for part in _of_few_lines(block):
                yield line, part
                line += count_lines(part)
            block = following
        cut = block.rfind(b"\n", 0, max(len(block) - 1, 0)) + 1
        line_of_trailer = line + block.count(b"\n", 0, cut)
        self._trailer = read_trailer(block[cut:], line_of_trailer, self.contract.delimiter)
        for part in _of_few_lines(block[:cut]):
            yield line, part
            line += count_lines(part)


def _of_few_lines(block: bytes) -> Iterator[bytes]:
    """A block in parts of bounded lines: what is kept of a line while it is checked can be more than its bytes."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))[_MOST_LINES - 1 :: _MOST_LINES] + 1
    borders = [0, *ends.tolist(), len(block)]
    yield from (block[start:end] for start, end in pairwise(borders) if start < end)
