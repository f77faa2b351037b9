"""Content as it comes, in blocks of any size, cut into the pieces that a protocol sends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def pieces(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of `size`, the last one shorter; at most one block and one piece are held."""
    held = bytearray()
    for block in blocks:
        rest = memoryview(block)
        if held:
            missing = size - len(held)
            held += rest[:missing]
            rest = rest[missing:]
            if len(held) == size:
                yield bytes(held)
                held.clear()
        whole = len(rest) - len(rest) % size
        for start in range(0, whole, size):
            yield bytes(rest[start : start + size])
        held += rest[whole:]
    if held:
        yield bytes(held)
