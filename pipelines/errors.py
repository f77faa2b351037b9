"""The errors that stop a command: each one sentence that says what, where, expected, found, what to do.

A bad row is a reject and a bad batch a refusal; both are data, not exceptions. These here are for the rest.
"""

from __future__ import annotations


class TierlineError(Exception):
    """Base of all errors that a user may see; `exit_status` is the command's."""

    exit_status = 1


class ConfigurationError(TierlineError):
    """A configuration, contract or policy cannot be used; the message names file, line, key and what is expected."""

    exit_status = 2


class UsageError(TierlineError):
    """A command was asked for something that does not exist, such as a stem that the ledger does not know."""

    exit_status = 2


class TransferError(TierlineError):
    """A server could not be reached, refused us, or broke off; the same attempt may be made again."""


class HostKeyError(TransferError):
    """The server's host key or certificate is not the one agreed; nothing was sent."""


class StoreError(TierlineError):
    """The ledger, the archive or the warehouse cannot be used as it stands."""


class LedgerAwayError(StoreError):
    """The ledger's server is down, starts, stops or broke off; the same may be tried again."""


class OtherLedgerError(StoreError):
    """The warehouse holds batches that the ledger never let stand: one of them is not the other's."""


class LostRejectsError(StoreError):
    """The rejected rows of a batch are lost or damaged; the message says what makes them anew."""


class SparkLostError(StoreError):
    """Spark's process ended under way, or its cluster does not answer; the same may be tried again."""


class HeldOpenError(StoreError):
    """Another process has the warehouse open; the message names it."""


class HeldError(TierlineError):
    """A publication waits for a producer's new version or an operator's word; what was published before stays."""

    exit_status = 3
