"""Deleting copies after a feed's retention: none that is not safe elsewhere (file interface, section 9)."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from pipelines.acknowledging import check_path
from pipelines.copies import CopyState, kept_directory, kept_files, local_state, server_place
from pipelines.cycles import parse_cycle
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Offering, State
from pipelines.site import Site, cycle_day
from pipelines.staged_rows import rows_trouble
from pipelines.transfer.base import RemoteMissingError, Transport

_DELETABLE = (State.LOADED, State.SUPERSEDED, State.DISCARDED)


def due_for_pruning(site: Site, found: list[Offering], *, of_archive: bool) -> list[Offering]:
    """Offerings older than their feed's retention whose copy may be deleted: loaded, superseded or discarded ones."""
    due = []
    for each in found:
        contract = site.contracts[each.feed]
        ended = datetime.combine(cycle_day(site, each), datetime.min.time())
        cycle = parse_cycle(contract.schedule.cadence, each.cycle)
        is_over = (cycle.end if cycle else ended) + timedelta(days=contract.retention_days) <= site.now
        pruned_at = each.archive_pruned_at if of_archive else each.server_pruned_at
        if is_over and pruned_at is None and each.state in _DELETABLE and each.acknowledged_at is not None:
            due.append(each)
    return due


def place(site: Site, current: Offering, *, of_archive: bool) -> str:
    """Where the copy stands that is pruned."""
    return f"{current.kept_in}/{current.file_name}" if of_archive else f"{server_place(site, current)} on the server"


def prune(site: Site, transport: Transport | None, current: Offering) -> str:
    """Delete the server's copy of an offering, or (transport None) the archive's; returns why not, or nothing."""
    with site.batch_locks(current.stem):
        with site.ledger.reading() as connection:
            now = offerings.get(connection, current.offering_id)
        if now != current:
            return f"kept: it is {now.state} and was touched meanwhile; run it again"
        return _prune_archive(site, current) if transport is None else _prune_server(site, transport, current)


def _prune_server(site: Site, transport: Transport, current: Offering) -> str:
    """Only while it is safe here."""
    if current.archive_pruned_at is None and (state := local_state(site, current)) is not CopyState.SOUND:
        return f"kept on the server: {current.kept_in} is {state}; run 'tierline backups restore'"
    if current.archive_pruned_at is not None and (why_not := _rows_missing(site, current)):
        return why_not
    place = server_place(site, current)
    for path in (check_path(current, place), place):
        with suppress(RemoteMissingError):  # gone already: a run that broke off, or the producer's own hand
            transport.remove(path)
    _note_pruned(site, current, "the server's copy was deleted after the feed's retention", "server_pruned_at")
    return ""


def _prune_archive(site: Site, current: Offering) -> str:
    """Only while its rows stand staged."""
    if why_not := _rows_missing(site, current):
        return f"{why_not}; 'tierline replay' stages it anew"
    paths = [kept_directory(site, current) / name for name, _, _ in kept_files(current)]
    site.objects.drop(paths)
    for path in paths:
        path.unlink(missing_ok=True)
    _note_pruned(site, current, "the archive's copy was deleted after the feed's retention", "archive_pruned_at")
    return ""


def _rows_missing(site: Site, current: Offering) -> str:
    """Why a batch's rows are not safe in staged/; empty where they are, or where nothing needs them any more.

    Rows and rejects are read whole: a warehouse that is rebuilt has nothing else of them then.
    """
    found = rows_trouble(site, current) if current.state is State.LOADED else ""
    return f"kept: {found}" if found else ""


def _note_pruned(site: Site, current: Offering, cause: str, column: str) -> None:
    with site.ledger.transaction() as connection:
        offerings.note(connection, current, site.change(cause), **{column: site.now})
