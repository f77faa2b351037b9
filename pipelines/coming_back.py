"""verified → staged, of a version that comes back and whose bytes were deleted after the retention: by its staged rows.

Nothing is judged, for there is nothing to judge: what was staged when it came is taken, where all of it is there.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.checks.judging import said_of_rejects
from pipelines.errors import StoreError
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Offering, State
from pipelines.ledger.standing import accept
from pipelines.site import Site, cycle_day
from pipelines.staged_rows import count_rows


def stage_pruned(site: Site, current: Offering) -> tuple[State | None, int]:
    """Let it stand by its staged rows, under the batch's lock; its state then, None where another was faster, and how
    many of its rows are rejected.

    Raises StoreError where rows or rejects are not whole.
    """
    loaded, rejected = _counts(site, current)
    reason = said_of_rejects(rejected)
    change = site.change(
        f"its staged rows came back, for its bytes were deleted after the retention; {reason}".strip("; ")
    )
    with site.ledger.transaction() as connection:
        if offerings.get(connection, current.offering_id) != current:
            return None, rejected
        values = {"judged_at": site.now, "loaded": loaded, "rejected": rejected, "reason": reason}
        return accept(connection, current, change, **values), rejected


def _counts(site: Site, current: Offering) -> tuple[int, int]:
    """Staged rows and rejects: together all its records, for the ledger counts 0 of one that was stale once staged."""
    place = site.staged_paths(current.name, cycle_day(site, current))
    lost = site.objects.bring([place.rows, place.rejects], afresh=True)
    loaded, rejected = (None if path in lost else count_rows(path) for path in (place.rows, place.rejects))
    if loaded is not None and rejected is not None and loaded + rejected == current.records:
        return loaded, rejected
    found = ", ".join(_found(site, path, count) for path, count in ((place.rows, loaded), (place.rejects, rejected)))
    deleted = f"its bytes were deleted after the retention, at {current.archive_pruned_at:%Y-%m-%d %H:%M}"
    raise StoreError(
        f"it cannot come back: {deleted}, and of its {current.records} staged rows and rejects, found {found}; "
        f"restore staged/ from a backup of the home, or 'tierline batch discard {current.stem}' and ask the producer "
        "to send it again"
    )


def _found(site: Site, path: Path, count: int | None) -> str:
    return f"{'none that can be read' if count is None else count} in {site.relative(path)}"
