"""Digests of bytes that pass, made beside what they pass through."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Self

_BLOCKS_BEHIND = 16  # so many are held at most: their digests are made while the next ones are received


class Digester:
    """Digests blocks in a thread of its own; `digests` and `size` hold once the `with` block has ended."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self.size = 0
        self.digests: dict[str, str] = {}
        self._made = {algorithm: hashlib.new(algorithm, usedforsecurity=False) for algorithm in algorithms}
        self._blocks: Queue[bytes | None] = Queue(_BLOCKS_BEHIND)
        self._thread = Thread(target=self._work, daemon=True)

    def update(self, block: bytes) -> None:
        """Hand a block over; waits while too many are still to be digested."""
        self.size += len(block)
        self._blocks.put(block)

    def _work(self) -> None:
        while (block := self._blocks.get()) is not None:
            for made in self._made.values():
                made.update(block)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks.put(None)
        self._thread.join()
        self.digests = {algorithm: made.hexdigest() for algorithm, made in self._made.items()}
