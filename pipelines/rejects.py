"""The rejected rows that are kept of a batch: where they stand, whether they can be read, what makes them anew."""

from __future__ import annotations

from pipelines.checks.places import StagedPaths
from pipelines.errors import LostRejectsError
from pipelines.ledger import offerings
from pipelines.ledger.offerings import STANDING, Offering, State
from pipelines.ledger.tables import offering
from pipelines.site import Site, cycle_day
from pipelines.staged_rows import trouble


def kept_rejects(site: Site, current: Offering) -> StagedPaths:
    """Where the rejects of a judged batch stand: beside its staged rows, or in quarantine.

    Of a discarded one, where they stood before: with its bytes where it was refused, else they may be gone.
    """
    staged = site.staged_paths(current.name, cycle_day(site, current))
    if current.kept_in is None:
        return staged
    directory = site.home.shared / current.kept_in
    kept = StagedPaths(directory / f"{current.stem}.parquet", directory / f"{current.stem}.rejects.parquet")
    site.objects.bring([staged.rejects, kept.rejects])
    is_with_its_bytes = current.state is State.DISCARDED and kept.rejects.exists()
    return kept if current.state is State.REFUSED or is_with_its_bytes else staged


def has_rejects(site: Site, current: Offering) -> bool:
    """Whether an offering has rejected rows. Raises LostRejectsError where it has, and they are lost or damaged."""
    if not current.rejected:
        return False
    found = trouble(site, kept_rejects(site, current).rejects, current.rejected)
    if current.state is State.DISCARDED and (found or _is_replaced(site, current)):
        found = f"its {current.rejected} rejected rows are not kept any more, for it was discarded"
    if found:
        raise LostRejectsError(f"batch {current.stem}: {found}; {_mending(current)}")
    return True


def _is_replaced(site: Site, current: Offering) -> bool:
    """Whether another offering of the stem was staged since, in the place of this one."""
    since = (current.judged_at or current.taken_at, current.offering_id)
    with site.ledger.reading() as connection:
        staged = offerings.find(connection, offering.c.stem == current.stem, offering.c.staged_count > 0)
    return any(((each.judged_at or each.taken_at), each.offering_id) > since for each in staged)


def _mending(current: Offering) -> str:
    if current.state is State.REFUSED:
        return f"'tierline batch retry {current.stem}' makes them anew"
    if current.state in STANDING and current.archive_pruned_at is None:
        return f"'tierline replay --feed {current.feed} --from {current.cycle} --to {current.cycle}' makes them anew"
    return f"where its bytes are: 'tierline batch show {current.stem}'"
