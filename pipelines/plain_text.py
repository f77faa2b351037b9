"""Text that came from elsewhere, made harmless for terminals, and without numbers of people for messages."""

from __future__ import annotations

import re
import unicodedata

# Controls (escape sequences, line ends), marks that hide text or turn its direction, halves of characters.
_STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Access names, as service numbers of broadband are (BBD59889695); ids have one letter. Letters are looked at from the
# first of them on only: from each, a line of nothing else would take hours.
ACCESS_NAME = "(?<![A-Za-z])[A-Za-z]{2,}[0-9]{7,}"
# Service numbers, ID numbers, credit codes; a cycle has up to ten digits and begins with no zero.
_NUMBER = re.compile(rf"{ACCESS_NAME}|(?<![0-9])(?:0[0-9]{{9}}|[0-9]{{11,}})")


def plain(text: str, keep: str = "") -> str:
    """A text with all that steers a terminal or ends a line written out, as `\\x1b`; but for what is in `keep`."""
    if text.isprintable():
        return text
    return "".join(
        ascii(sign)[1:-1] if unicodedata.category(sign) in _STEERING and sign not in keep else sign for sign in text
    )


def unnumbered(text: str) -> str:
    """A text without numbers of people, as all that stands in ledger, alarms, mails and logs."""
    return _NUMBER.sub(lambda found: f"{found[0][:3]}****", text)


def quoted(text: str, most: int = 80) -> str:
    """What was found instead of what was expected, for a message: its beginning in quotes, no number of anybody in it.

    Messages stand in the ledger, in alarms, mails and logs; a file of records may come where another was expected.
    """
    return repr(unnumbered(text)[:most])
