"""What is told, and who can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from pipelines.errors import ConfigurationError, TransferError


@dataclass(frozen=True)
class Message:
    """What is said: a line, all of it in words, and the same for programs."""

    subject: str
    text: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """Which places need not be told this again, and in sentences whom it did not reach: for now, or at all."""

    told: list[str]
    later: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


class Channel(Protocol):
    """A way to one place or several; `places` stand in the ledger by these names, of 20 characters at most."""

    @property
    def places(self) -> tuple[str, ...]: ...

    def send(self, message: Message, places: list[str]) -> Sent:
        """Have the message taken for these places. Raises TransferError where it was not taken."""

    def probe(self) -> str:
        """Try as much as can be tried without a message; what was found. Raises TransferError."""


def hand_over(channel: Channel, message: Message, places: list[str]) -> Sent:
    """Send a message; where it was not taken nobody is told, and the reason is said."""
    try:
        return channel.send(message, places)
    except (TransferError, ConfigurationError) as error:
        return Sent([], [str(error)])
