"""What is told, and who can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Message:
    """What is said: a line, all of it in words, and the same for programs."""

    subject: str
    text: str
    content: dict[str, Any]


class Channel(Protocol):
    """One place where messages go; `name` stands in the ledger for it."""

    name: str

    def send(self, message: Message) -> list[str]:
        """Have the message taken; whom it did not reach all the same. Raises TransferError where it was not taken."""
