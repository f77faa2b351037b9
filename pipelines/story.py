"""The story of a batch, for whoever asks: its offerings, their states with causes and actors, its rejected rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from pipelines.checks.staging import read_rejects
from pipelines.clock import COMPACT
from pipelines.completeness import CycleState, Within, cycle_statuses
from pipelines.contracts.model import Column, Contract, Mode, Type
from pipelines.ledger import offerings
from pipelines.ledger.cycle_acceptances import said
from pipelines.ledger.offerings import ACCEPTED, STANDING, Offering
from pipelines.ledger.quality import profiles, results
from pipelines.ledger.tables import quality_result
from pipelines.operating import offerings_of
from pipelines.plain_text import unnumbered
from pipelines.rejects import kept_rejects
from pipelines.site import Site

_FIELDS = (
    "state", "code", "reason", "bytes", "digest", "records", "loaded", "rejected", "control_total", "control_loaded",
    "control_rejected", "format_version", "orphans", "limit_waived", "taken_at", "judged_at", "acknowledged_at",
    "server_pruned_at", "archive_pruned_at",
)  # fmt: skip


@dataclass(frozen=True)
class RejectedRow:
    """One rejected row: where, why, in which columns, and what it held (`record`, decoded)."""

    line: int
    codes: str
    columns: str
    record: str


def batch_story(site: Site, stem: str) -> list[dict[str, Any]]:
    """Every offering of a stem, oldest first, with its `states`. Raises UsageError for a stem that nobody knows."""
    offered = offerings_of(site, stem)
    with site.ledger.reading() as connection:
        story = offerings.history(connection, [each.offering_id for each in offered])
    return [
        _described(site, each) | {"states": [event for event in story if event["offering_id"] == each.offering_id]}
        for each in offered
    ]


def rejecting(offered: list[Offering]) -> Offering:
    """Of all offerings of a stem the one whose rejected rows count: the accepted one, else the newest that has some."""
    accepted = [each for each in offered if each.state in ACCEPTED]
    return (accepted or [each for each in offered if each.rejected] or offered)[-1]


def rejected_rows(site: Site, current: Offering, *, masked: bool, most: int | None = None) -> Iterator[RejectedRow]:
    """The rejected rows of an offering, as they came or with personal data hidden."""
    encoding = site.source(current.source).encoding if current.source in site.config.sources else "utf-8"
    versions = {each.format_version: each for each in site.contracts[current.feed].versions}
    contract = versions.get(current.format_version or "")
    for row in islice(read_rejects(kept_rejects(site, current)), most):
        record = row["record"].decode(encoding, "backslashreplace")
        shown = _masked(record, contract) if masked else record
        yield RejectedRow(row["line"], row["codes"], row["columns"], shown)


def _masked(record: str, contract: Contract | None) -> str:
    """Personal fields and numbers of people hidden; all of a record of which nobody can tell which field is which.

    `contract` is of the version that the file was written by; None where that is not known.
    """
    if contract is None:
        return "(of an unknown version of the contract, not shown)"
    fields, file_columns = record.split(contract.delimiter), contract.columns
    if len(fields) != len(file_columns):
        return f"({len(fields)} fields instead of {len(file_columns)}, not shown)"
    return contract.delimiter.join(
        "*" * min(len(field), 4) if column.personal else _without_numbers(field, column)
        for field, column in zip(fields, file_columns, strict=True)
    )


def _without_numbers(field: str, column: Column) -> str:
    """A value that is not personal where it belongs: in a rejected row it may stand where another was expected.

    What tells which row it is stays: an id of a letter and digits, and a time.
    """
    is_id = column.type is Type.ID and re.fullmatch("[A-Za-z][0-9]+", field) is not None
    is_time = column.type is Type.TIMESTAMP and _is_time(field)
    return field if is_id or is_time else unnumbered(field)


def _is_time(text: str) -> bool:
    if not re.fullmatch("[0-9]{14}", text):
        return False
    try:
        datetime.strptime(text, COMPACT)
    except ValueError:
        return False
    return True


def _described(site: Site, each: Offering) -> dict[str, Any]:
    described = {name: getattr(each, name) for name in _FIELDS}
    described["quality"] = _quality(site, each) if each.state in STANDING else None
    is_snapshot = each.state in STANDING and each.mode == Mode.FULL
    described |= _snapshot(site, each) if is_snapshot else {"held": None, "let_through": None}
    described["kept in"] = _expired(each.archive_pruned_at) or each.kept_in
    place = each.moved_to or ("gone" if each.acknowledged_at else f"outgoing/{each.feed}/")
    described["on the server"] = _expired(each.server_pruned_at) or place
    return described


def _snapshot(site: Site, each: Offering) -> dict[str, str | None]:
    """Whether E505 holds the snapshot that a batch is of, or who let it through."""
    within = Within(each.source, full_only=True)
    with site.ledger.reading() as connection:
        found = cycle_statuses(connection, site.config, site.contracts, site.now, within)
    status = next((status for status in found if status.key == each.name.cycle_key), None)
    is_held = status is not None and status.state is CycleState.HELD
    return {
        "held": status.reason if status and is_held else None,
        "let_through": said(status.let_through) or None if status else None,
    }


def _expired(pruned_at: datetime | None) -> str:
    return f"deleted after the retention, {pruned_at}" if pruned_at else ""


def _quality(site: Site, each: Offering) -> str | None:
    """What was found of the batch's cycle as a whole, and the page that shows it."""
    key = each.name.cycle_key
    with site.ledger.reading() as connection:
        judged = profiles(connection, [key]).get(key)
        found = results(connection, *(quality_result.c[part] == value for part, value in vars(key).items()))
    if judged is None:
        return None
    failed = [result.measure for result in found if not result.success]
    verdict = f"failed: {', '.join(failed)}" if failed else "all met"
    verdict += f", accepted by {said(judged.accepted)}" if judged.accepted else ""
    page = f"; {judged.page}" if judged.page and (site.home.root / judged.page).exists() else ""
    return f"{len(found)} expectations of its cycle, {verdict}{page}" if found else f"nothing to judge{page}"
