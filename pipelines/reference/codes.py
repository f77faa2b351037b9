"""The operators' page of codes."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.codes import CODES

_ABOUT_CHECKS = """\
What each code means, where it usually comes from, and who does what. `tierline batch show STEM` says which one a batch
has, with what was expected and found.

## Files

The first check that fails sets the whole file aside, in the order E101 to E106, E201 to E203, E503, E504, E204, E205,
E301, E305, E304, E302, E303, then its rows, then E501. From E104 on what concerns a data file gives a receipt on the
producer's server; E201 to E204, E301 to E305 and E502 a request to send it again.
"""
_ABOUT_ROWS = """\
## Rows

A row is rejected with every code that it earns, each with its column; the other rows of its file are loaded.
`tierline batch rejects STEM` shows line, codes, columns and the record as it came (personal data: do not paste it into
tickets); `--out FILE` writes them byte for byte, as the producer's `.REJ` has them. What each column must hold:
[feeds](../reference/feeds.md).
"""
_ABOUT_RULES = """\
## Files and cycles, once the rows are known
"""


def codes() -> Iterator[str]:
    """Every code: what it means, its usual cause, who does what."""
    yield _ABOUT_CHECKS
    is_row = False
    for name, code in CODES.items():
        if (name[1] == "4") != is_row:
            is_row = not is_row
            yield _ABOUT_ROWS if is_row else _ABOUT_RULES
        yield f"### {name}\n"
        yield f"**{code.meaning[0].upper()}{code.meaning[1:]}.**\n"
        yield f"- Usual cause: {code.cause}\n- What to do: {code.to_do}\n- What the producer does: {code.producer}\n"
