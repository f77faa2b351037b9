"""What `tierline.yaml` says of several workers: what they share, and which of them has the warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.contracts.yaml_lines import Item
from pipelines.errors import UsageError


@dataclass(frozen=True)
class Workers:
    """The part of a home: `shared` None where nothing is; `is_intake`: it fetches and checks, and has no warehouse."""

    shared: Path | None = None
    is_intake: bool = False

    def require_warehouse(self, step: str) -> None:
        """Raises UsageError in the home of an intake worker: the warehouse is another's."""
        if self.is_intake:
            raise UsageError(
                f"{step}: this is the home of an intake worker (tierline.yaml, key role), which has no warehouse; "
                "run it in the home with the warehouse"
            )


ALONE = Workers()


def read_workers(fields: dict[str, Item], home: Path) -> Workers:
    """Raises ConfigurationError where ledger and locks would be of one machine, and hold on no other."""
    is_intake = "role" in fields and fields["role"].choice(["whole", "intake"]) == "intake"
    ledger = fields["ledger"].text() if "ledger" in fields else "sqlite"
    for key, is_asked in (("shared", "shared" in fields), ("role", is_intake)):
        if is_asked and not ledger.startswith("postgresql"):
            raise fields[key].error("the key ledger to name a PostgreSQL database for it", "a ledger of this machine")
    if is_intake and "shared" not in fields:
        raise fields["role"].error("the key shared beside it, for what this worker stages the warehouse's home loads")
    return Workers(home / fields["shared"].text() if "shared" in fields else None, is_intake)
