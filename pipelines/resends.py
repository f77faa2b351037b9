"""Requests to send again: `request/<FEED>/<stem>.RSD`, for what sending again may mend (file interface, section 6)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select

from pipelines.clock import compact
from pipelines.completeness import CycleState, CycleStatus
from pipelines.ledger.offerings import State
from pipelines.ledger.tables import offering, resend_request
from pipelines.names import DATA_ENDINGS, BatchName, parse_stem
from pipelines.site import Site
from pipelines.transfer.base import Transport

# Refusals that sending again may mend.
ASKS_FOR_RESEND = ("E201", "E202", "E203", "E204", "E301", "E302", "E303", "E304", "E305")
GAP = "E502"
IN_HAND = (State.ANNOUNCED, State.FETCHED)  # a poll takes it, or broke off while it did


def request_resend(site: Site, transport: Transport, name: BatchName, code: str, reason: str, at: datetime) -> None:
    """Ask the producer for a batch: `stem|code|reason|time`. Asking twice leaves one file. Raises TransferError.

    A gap is not asked for, this time, while a poll may still take it up.
    """
    if code == GAP and _may_be_taken_up(site, transport, name):
        return
    line = f"{name.stem}|{code}|{reason.replace('|', '/')}|{compact(at)}\n"
    transport.write(f"request/{name.feed}/{name.stem}.RSD", [line.encode()])
    with site.ledger.transaction() as connection:
        connection.execute(insert(resend_request).values(stem=name.stem, code=code, reason=reason, requested_at=at))


def _may_be_taken_up(site: Site, transport: Transport, name: BatchName) -> bool:
    """Whether a poll has the pair in hand, or one broke off with it and it lies on the server: not withdrawn."""
    if not _is_in_hand(site, name):
        return False
    with site.lock(f"take-{name.source}-{name.feed}") as mine:
        return not mine or not _is_in_hand(site, name) or _lies_in_outgoing(transport, name)


def _is_in_hand(site: Site, name: BatchName) -> bool:
    query = select(offering.c.stem).where(offering.c.stem == name.stem, offering.c.state.in_(IN_HAND))
    with site.ledger.reading() as connection:
        return connection.execute(query).first() is not None


def _lies_in_outgoing(transport: Transport, name: BatchName) -> bool:
    place = f"outgoing/{name.feed}/{name.stem}"
    return transport.exists(f"{place}.CHK") and any(transport.exists(place + ending) for ending in DATA_ENDINGS)


def to_request(site: Site, statuses: list[CycleStatus]) -> list[tuple[BatchName, str]]:
    """What nobody asked for yet, with the reason: stems that end files name (E502), and what missing cycles lack.

    A refusal asks with its own reason, where sending again may mend it. Any other leaves time for an operator's word,
    until the cycle is missing.
    """
    wanted: dict[str, str] = {}
    missing: set[str] = set()
    for status in statuses:
        lacking = dict.fromkeys(status.gaps, "named by the end file, but not here")
        if status.state is CycleState.MISSING:
            if not status.gaps and not status.files:
                reason = f"{status.key}: {status.reason or 'nothing came'}, expected {status.expected_at}"
                lacking[status.next_stem] = reason
            missing |= lacking.keys()
        wanted |= lacking
    if not wanted:
        return []
    with site.ledger.reading() as connection:
        settled = set(connection.execute(select(resend_request.c.stem)).scalars())
        came = select(offering.c.stem, offering.c.state, offering.c.code)
        for stem, state, code in connection.execute(came.where(offering.c.state.in_((State.REFUSED, State.VERIFIED)))):
            if state == State.VERIFIED or code in ASKS_FOR_RESEND or stem not in missing:
                settled.add(stem)  # what was verified is here
    named = ((parse_stem(stem), reason) for stem, reason in wanted.items() if stem not in settled)
    return [(name, reason) for name, reason in named if name is not None]
