"""One of several processes at work on one ledger: it does its action once for every line that it is sent.

`python ledger_worker.py ACTION`, with LEDGER_URL and LEDGER_SECRET in the environment. It says `ready` when it can
start without delay, so that several start together; then each line names a database, a stem or an offering.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import datetime

from pipelines.ledger import offerings, standing
from pipelines.ledger.offerings import Change
from pipelines.ledger.store import LedgerStore
from pipelines.names import parse_stem

NOON = datetime(2026, 11, 22, 12)


def opening(_: LedgerStore, url: str) -> str:
    LedgerStore(url, os.environ.get("LEDGER_SECRET")).close()
    return "opened"


def announcing(store: LedgerStore, stem: str) -> str:
    name = parse_stem(stem)
    assert name is not None
    with store.transaction() as connection:
        won = offerings.announce_all(connection, [(name, f"{stem}.DAT")], _change())
    return "won" if won else "lost"


def accepting(store: LedgerStore, offering_id: str) -> str:
    with store.transaction() as connection:
        candidate = offerings.get(connection, int(offering_id))
        return standing.accept(connection, candidate, _change()).value


def holding(store: LedgerStore, offering_id: str) -> str:
    """Stop in the middle of a transaction, to be killed there."""
    with store.transaction() as connection:
        standing.accept(connection, offerings.get(connection, int(offering_id)), _change())
        _say("holding")
        time.sleep(60)
    return "committed"


ACTIONS: dict[str, Callable[[LedgerStore, str], str]] = {
    "open": opening, "announce": announcing, "accept": accepting, "hold": holding,
}  # fmt: skip


def _change() -> Change:
    return Change("test", f"process {os.getpid()}", NOON)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(action: str) -> None:
    store = LedgerStore(os.environ["LEDGER_URL"], os.environ.get("LEDGER_SECRET"))
    _say("ready")
    for line in sys.stdin:
        _say(ACTIONS[action](store, line.strip()))
    store.close()


if __name__ == "__main__":
    main(sys.argv[1])
