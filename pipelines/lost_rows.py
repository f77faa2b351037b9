"""archive → staged rows once more, of batches that wait for core and whose rows or rejects are lost or damaged."""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.errors import StoreError
from pipelines.ledger.offerings import Offering
from pipelines.life import replay
from pipelines.site import Site, cycle_day
from pipelines.staged_rows import trouble


def stage_lost(site: Site, due: Iterable[Offering]) -> bool:
    """Judge those again of which a staged file is not what the ledger counts; whether there were any.

    Every page is read for that, so it is for when a load has failed. Raises StoreError where any cannot be staged
    anew, after the others were.
    """
    lost = [(each, found) for each in due if (found := _trouble(site, each))]
    if failed := [said for each, found in lost if (said := _stage(site, each, found))]:
        raise StoreError("\n".join(failed))
    return bool(lost)


def _trouble(site: Site, current: Offering) -> str:
    place = site.staged_paths(current.name, cycle_day(site, current))
    return trouble(site, place.rows, current.loaded) or trouble(site, place.rejects, current.rejected)


def _stage(site: Site, current: Offering, found: str) -> str:
    """Why a batch cannot be staged anew, and what to do; empty where it was."""
    try:
        replayed = replay(site, current, site.change(f"{found}: staged anew from the archive"))
    except StoreError as error:
        return f"{current.stem}: {found}, and it cannot be staged anew: {error}"
    if replayed.code is None:
        return ""
    return (
        f"{current.stem}: {found}, and it would be refused now ({replayed.code}, {replayed.reason}); correct contract "
        "or code list and run again, or 'tierline batch discard' it"
    )
