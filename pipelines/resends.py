"""Requests to send again: `request/<FEED>/<stem>.RSD`, for what sending again may mend (file interface, section 6)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select, update

from pipelines.clock import compact
from pipelines.completeness import CycleState, CycleStatus
from pipelines.errors import TransferError
from pipelines.lanes import GONE
from pipelines.ledger import offerings
from pipelines.ledger.offerings import ACCEPTED, Offering, State
from pipelines.ledger.tables import offering, resend_request
from pipelines.names import DATA_ENDINGS, BatchName, CycleKey, parse_stem
from pipelines.site import Scope, Site
from pipelines.transfer.base import RemoteMissingError, Transport

# Refusals that sending again may mend.
ASKS_FOR_RESEND = ("E201", "E202", "E203", "E204", "E301", "E302", "E303", "E304", "E305")
GAP = "E502"
IN_HAND = (State.ANNOUNCED, State.FETCHED)  # a poll takes it, or broke off while it did
_STANDS = resend_request.c.removed_at.is_(None)


def request_resend(site: Site, transport: Transport, name: BatchName, code: str, reason: str, at: datetime) -> None:
    """Ask the producer for a batch: `stem|code|reason|time`. Asking twice leaves one file. Raises TransferError.

    A gap is not asked for, this time, while a poll may still take it up.
    """
    if code == GAP and _may_be_taken_up(site, transport, name):
        return
    line = f"{name.stem}|{code}|{reason.replace('|', '/')}|{compact(at)}\n"
    transport.write(_place(name), [line.encode()])
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


def answered_requests(site: Site, statuses: list[CycleStatus], source: str, scope: Scope) -> list[BatchName]:
    """Requests of a source that are still there and of no use any more, newest first.

    The batch, or a newer version of it, was accepted, or an operator took it out; or it was asked for as a gap, and
    its cycle is complete without it.
    """
    complete = {each.key for each in statuses if each.state in (CycleState.COMPLETE, CycleState.HELD)}
    query = select(resend_request.c.stem, resend_request.c.code).where(_STANDS).order_by(resend_request.c.request_id)
    with site.ledger.reading() as connection:
        codes = {row.stem: row.code for row in connection.execute(query)}
        named = ((parse_stem(stem), code) for stem, code in reversed(codes.items()))
        asked = [
            (name, code)
            for name, code in named
            if name is not None and name.source == source and scope.has(source, name.feed, name.cycle)
        ]
        of_cycles = offering.c.cycle.in_({name.cycle for name, _ in asked})
        found = offerings.find(connection, offering.c.source == source, of_cycles) if asked else []
    came: dict[tuple[CycleKey, str], list[Offering]] = {}
    for each in found:
        came.setdefault((each.name.cycle_key, each.seq), []).append(each)
    return [
        name
        for name, code in asked
        if (code == GAP and name.cycle_key in complete) or _is_answered(name, came.get((name.cycle_key, name.seq), []))
    ]


def _is_answered(name: BatchName, came: list[Offering]) -> bool:
    found = [each for each in came if each.version >= name.version]
    return any(each.state in ACCEPTED for each in found) or (bool(found) and found[-1].state is State.DISCARDED)


def remove_requests(site: Site, transport: Transport, answered: list[BatchName]) -> None:
    """Take answered requests off the server. Raises TransferError where the connection is gone for good.

    Where the server does not let us, they stay, and the next run tries again, once a directory: whoever reads them
    sends once too often.
    """
    denied: set[str] = set()
    for name in answered:
        if name.feed in denied:
            continue
        try:
            transport.remove(_place(name))
        except GONE:
            raise
        except RemoteMissingError:
            pass  # the producer took it away
        except TransferError:
            denied.add(name.feed)
            continue
        with site.ledger.transaction() as connection:
            gone = update(resend_request).where(resend_request.c.stem == name.stem, _STANDS)
            connection.execute(gone.values(removed_at=site.now))


def _place(name: BatchName) -> str:
    return f"request/{name.feed}/{name.stem}.RSD"


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
        settled = set(connection.execute(select(resend_request.c.stem).where(_STANDS)).scalars())
        came = select(offering.c.stem, offering.c.state, offering.c.code)
        for stem, state, code in connection.execute(came.where(offering.c.state.in_((State.REFUSED, State.VERIFIED)))):
            if state == State.VERIFIED or code in ASKS_FOR_RESEND or stem not in missing:
                settled.add(stem)  # what was verified is here
    named = ((parse_stem(stem), reason) for stem, reason in wanted.items() if stem not in settled)
    return [(name, reason) for name, reason in named if name is not None]
