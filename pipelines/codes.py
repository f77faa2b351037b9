"""What each code of the checks means, and what to do about it (file interface, section 5)."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """One code: what was found, and what an operator does."""

    meaning: str
    to_do: str


_RESEND = "Nothing: the producer was asked to send it again; once it comes it is taken by itself."
_NAME = "Tell the producer; it corrects the name and sends the file under it."
_ROWS = "See 'batch rejects'; the producer corrects the rows in a later file."

CODES = {
    "E101": Code("the name does not follow the grammar", "Tell the producer; the file is left where it is."),
    "E102": Code("no contract for this feed, or not one of this source", "Correct the name, or add contract and feed."),
    "E103": Code("the file is of another source", "Tell the producer; the file is left where it is."),
    "E104": Code("the cycle does not fit the cadence, or is no real date", _NAME),
    "E105": Code("the cycle has not ended yet", "See that both clocks are right; then 'batch retry' once it is over."),
    "E106": Code("the mode is not allowed for the feed", _NAME),
    "E201": Code("the check file cannot be read or names another file", _RESEND),
    "E202": Code("the size is not that of the check file", _RESEND),
    "E203": Code("the digest is not that of the check file", _RESEND),
    "E204": Code("the gzip is not sound", _RESEND),
    "E205": Code(
        "beyond the limits of size, line length or gzip ratio", "Ask the producer; raise the limit if it is right."
    ),
    "E206": Code(
        "backup on the server and archive do not both hold the bytes", "'backups verify', then 'backups restore'."
    ),
    "E207": Code(
        "the end file contradicts itself or the check files", "Tell the producer; it sends the end file again."
    ),
    "E301": Code("the header is missing or does not agree with the name", _RESEND),
    "E302": Code("the record counts do not agree", _RESEND),
    "E303": Code("the control total does not agree", _RESEND),
    "E304": Code("the trailer is missing", _RESEND),
    "E305": Code("the format version is not known", _RESEND),
    "E401": Code("number of fields", _ROWS),
    "E402": Code("a required field is empty", _ROWS),
    "E403": Code("cannot be read as its type", _ROWS),
    "E404": Code("too long", _ROWS),
    "E405": Code("does not follow its pattern", _ROWS),
    "E406": Code(
        "the code is not in its list", "If the list is old: extend it, then 'replay'. Else as for other rows."
    ),
    "E407": Code("out of range", _ROWS),
    "E408": Code("contradicts another field, or the file's source", _ROWS),
    "E409": Code("the key stands again further down in the file", _ROWS),
    "E410": Code("the bytes do not decode", "See that 'encoding' of the source is right. Else as for other rows."),
    "E411": Code("the check digit is wrong", _ROWS),
    "E501": Code("too many rows were rejected", "See 'batch rejects'; then 'batch accept', or wait for a new version."),
    "E502": Code("a SEQ is missing although the end file is there", _RESEND),
    "E503": Code(
        "the stem was accepted before with other bytes", "Ask which one is right; 'batch discard' and 'batch retry'."
    ),
    "E504": Code("a newer version was accepted before", "Nothing: the newer one stands."),
    "E505": Code("a full snapshot shrank too much", "Ask the producer; then 'cycles accept', or 'batch discard'."),
    "E506": Code("foreign keys were not found", "Nothing: they resolve once their records come."),
}
