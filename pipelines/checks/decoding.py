"""Strict decoding of a block of whole lines into UTF-8, before anything is split.

`|` is the second byte of many GBK characters, so bytes may be split only after decoding; LF never is part of one.
"""

from __future__ import annotations

from dataclasses import dataclass

UTF8_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class DecodedBlock:
    """Lines in UTF-8, as many as came; an undecodable one (E410) stands as an empty line and in `undecodable`."""

    text: bytes
    undecodable: tuple[int, ...]  # indexes of lines within the block


def decode_block(lines: bytes, encoding: str) -> DecodedBlock:
    """Decode whole lines from `utf-8` or `gb18030`; both hold ASCII as it is."""
    if lines.isascii():
        return DecodedBlock(lines, ())
    try:
        text = lines.decode(encoding)
    except UnicodeDecodeError:
        return _line_by_line(lines, encoding)
    return DecodedBlock(lines if encoding == "utf-8" else text.encode(), ())


def _line_by_line(lines: bytes, encoding: str) -> DecodedBlock:
    decoded: list[bytes] = []
    undecodable: list[int] = []
    for index, line in enumerate(lines.split(b"\n")):
        try:
            decoded.append(line.decode(encoding).encode())
        except UnicodeDecodeError:
            decoded.append(b"")
            undecodable.append(index)
    return DecodedBlock(b"\n".join(decoded), tuple(undecodable))
