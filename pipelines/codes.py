"""What each code of the checks means, where it usually comes from, and who does what (file interface, section 5)."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """One code: what was found, what an operator does, its usual cause, and what the producer does."""

    meaning: str
    to_do: str
    cause: str
    producer: str


_RESEND = "Nothing: the producer was asked to send it again; once it comes it is taken by itself."
_NAME = "Tell the producer; it corrects the name and sends the file under it."
_ROWS = "See 'batch rejects'; the producer corrects the rows in a later file."
_AGAIN = "Send it again under the same name, or as the next version."
_CORRECT = "Correct the rows named in the .REJ file and send them in the next version, or in a later cycle."

CODES = {
    "E101": Code(
        "the name does not follow the grammar",
        "Tell the producer; the file is left where it is.",
        "A file of another program, a name in small letters, SEQ 0000, both .DAT and .DAT.gz, a directory or a link.",
        "Rename or remove it.",
    ),
    "E102": Code(
        "no contract for this feed, or not one of this source",
        "Correct the name, or add contract and feed.",
        "A file in the directory of another feed; a new feed that is not agreed yet.",
        "Correct the name, or put it into the directory of its feed.",
    ),
    "E103": Code(
        "the file is of another source",
        "Tell the producer; the file is left where it is.",
        "Files of a test system or of another province on this server.",
        "Remove it; correct the source in the name and the header.",
    ),
    "E104": Code(
        "the cycle does not fit the cadence, or is no real date",
        _NAME,
        "A day where an hour belongs (20261122 for 2026112210), the 31st of a month of 30 days, hour 24.",
        "Send it under the right name, with a header that agrees.",
    ),
    "E105": Code(
        "the cycle has not ended yet",
        "See that both clocks are right; then 'batch retry' once it is over.",
        "The producer's clock is ahead, or its times are in UTC; a file made before its hour was over.",
        "Make files after the end of their cycle, by Asia/Shanghai.",
    ),
    "E106": Code(
        "the mode is not allowed for the feed",
        _NAME,
        "A full snapshot (F) of a feed that has increments only.",
        "Send increments (I).",
    ),
    "E201": Code(
        "the check file cannot be read or names another file",
        _RESEND,
        "It was made for the .DAT and the .DAT.gz was sent; capital hex digits; a second line.",
        "Make it anew, as one line name|bytes|records|digest|created.",
    ),
    "E202": Code(
        "the size is not that of the check file",
        _RESEND,
        "The file was renamed before it was whole, or a transfer in ASCII mode changed its line ends.",
        "Write it as .tmp, close it, rename it, then write the check file; transfer in binary mode.",
    ),
    "E203": Code(
        "the digest is not that of the check file",
        _RESEND,
        "The file was written again after its check file was made; the digest is of the text before compression.",
        "Make the digest over the bytes that are sent.",
    ),
    "E204": Code(
        "the gzip is not sound",
        _RESEND,
        "The disk of the producer was full while it compressed; something was appended to the file.",
        "Compress it again and test it with gzip -t; nothing may follow its end, not even zeros, which it passes over.",
    ),
    "E205": Code(
        "beyond the limits of size, line length or gzip ratio",
        "Ask the producer; raise the limit if it is right.",
        "Line ends are missing, so that the whole file is one line; a file of many months.",
        "Split it into several SEQ.",
    ),
    "E206": Code(
        "backup on the server and archive do not both hold the bytes",
        "'backups verify', then 'backups restore'.",
        "Somebody cleared backup/ by hand; a disk is damaged.",
        "Leave backup/ alone.",
    ),
    "E207": Code(
        "the end file cannot be read, contradicts the check files, or comes before its cycle is over",
        "Tell the producer; it sends the end file again.",
        "It was made before the last file, or counts header and trailer as records; the producer's clock is ahead.",
        "Make it from the check files, after all of them and once its cycle is over, and send it again.",
    ),
    "E301": Code(
        "the header is missing or does not agree with the name",
        _RESEND,
        "A file was renamed to another cycle, SEQ or version without a new header.",
        _AGAIN,
    ),
    "E302": Code(
        "the record counts do not agree",
        _RESEND,
        "The file was cut, or is counted with header and trailer, or a value holds a line end.",
        _AGAIN,
    ),
    "E303": Code(
        "the control total does not agree",
        _RESEND,
        "The sum leaves refunds out, is in yuan, or was made over other rows than were written. Or it is over values "
        "that cannot be read, which count 0: see the code and line in the reason, or whether the encoding is right.",
        "Correct the line that the reason names; sum the column that the contract names over the records of this file, "
        "in fen.",
    ),
    "E304": Code(
        "the trailer is missing",
        _RESEND,
        "The program that writes the file ended early.",
        _AGAIN,
    ),
    "E305": Code(
        "the format version is not known",
        "See with 'feeds diff' whether version, holdsFrom and readUntil are right; if not, mend the contract, then "
        "'batch retry'. Else nothing: the producer was asked to send it in another version.",
        "A new version of the contract before the day from which it holds, or an old one after its end.",
        "Send it in a version that is read for its cycle.",
    ),
    "E401": Code(
        "number of fields",
        _ROWS,
        "A value holds the delimiter, or a delimiter stands after the last field.",
        "Write the full-width ｜ within values; " + _CORRECT[0].lower() + _CORRECT[1:],
    ),
    "E402": Code(
        "a required field is empty", _ROWS, "The value is not kept in billing, or was lost in an export.", _CORRECT
    ),
    "E403": Code(
        "cannot be read as its type",
        _ROWS,
        "Amounts in yuan with a point (10.5), leading zeros or spaces, days as 2026-2-8.",
        _CORRECT,
    ),
    "E404": Code(
        "too long or too short",
        _ROWS,
        "Two values in one field; lengths were counted in bytes; a number without its prefix or leading zeros.",
        _CORRECT,
    ),
    "E405": Code("does not follow its pattern", _ROWS, "Blanks, dashes or a country code within a number.", _CORRECT),
    "E406": Code(
        "the code is not in its list",
        "If the list is old: extend it, then 'replay'. Else as for other rows.",
        "A new product, channel or status that was not announced.",
        "Announce new codes before they are sent.",
    ),
    "E407": Code(
        "out of range", _ROWS, "An event of another cycle, an amount of zero, a time in the future.", _CORRECT
    ),
    "E408": Code(
        "contradicts another field, or the file's source",
        _ROWS,
        "A sum that does not fit its items, a refund above zero, an end before its beginning.",
        _CORRECT,
    ),
    "E409": Code(
        "the key stands again further down in the file",
        _ROWS,
        "A join in the export doubles rows. The last one stands.",
        "Write every key once a file.",
    ),
    "E410": Code(
        "the bytes do not decode",
        "See that 'encoding' of the source is right. Else as for other rows.",
        "Rows in another encoding than the rest, or a character that was cut in two.",
        _CORRECT,
    ),
    "E411": Code(
        "the check digit is wrong",
        _ROWS,
        "A resident ID or credit code that was typed by hand, or a small x at its end.",
        _CORRECT,
    ),
    "E501": Code(
        "too many rows were rejected",
        "See 'batch rejects'; then 'batch accept', or wait for a new version.",
        "One fault in the export that touches every row: see which code stands in most of them.",
        "Mend the export and send the next version.",
    ),
    "E502": Code(
        "a SEQ is missing although the end file is there",
        _RESEND,
        "A file was not sent, or was refused or left; the numbers have a gap.",
        "Send the file of each missing SEQ.",
    ),
    "E503": Code(
        "the stem was accepted before with other bytes",
        "Ask which one is right; 'batch discard' and 'batch retry'.",
        "A correction was sent under the old name instead of the next version.",
        "Send corrections as the next VERSION.",
    ),
    "E504": Code(
        "a newer version was accepted before",
        "Nothing: the newer one stands.",
        "An old file was sent after its replacement.",
        "Nothing.",
    ),
    "E505": Code(
        "a full snapshot shrank too much",
        "Ask the producer; then 'cycles accept', or 'batch discard'.",
        "A part of the export is missing; or many customers really went.",
        "Say which; send the next version of what was wrong.",
    ),
    "E506": Code(
        "foreign keys were not found",
        "Nothing: they resolve once their records come.",
        "Payments of subscribers whose profile comes with the next daily file.",
        "Nothing, if the records are still to come.",
    ),
}
