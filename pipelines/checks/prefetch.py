"""Runs an iterator one step ahead in a thread, so that reading and decoding overlap with checking."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
_END = object()


@contextmanager
def prefetch(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """Yield an iterator over `items` that prepares the next one meanwhile; its errors are raised where they belong."""
    with ThreadPoolExecutor(1) as thread:

        def ahead() -> Iterator[T]:
            first = list(islice(items, 2))
            yield from first[:1]
            if len(first) < 2:  # most files are of one block: they need no thread
                return
            item: object = first[1]
            while item is not _END:
                upcoming = thread.submit(next, items, _END)
                yield item  # type: ignore[misc]  # _END was told apart above
                item = upcoming.result()

        yield ahead()
