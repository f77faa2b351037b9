"""Discarded batches make way: their bytes leave the names of the archive, and are kept."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipelines.archive import keep_all, stands_in_the_way
from pipelines.clock import compact
from pipelines.errors import StoreError
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Offering, State
from pipelines.ledger.tables import offering
from pipelines.site import Site, quarantine_place


def put_aside_discarded(site: Site, source: str, feed: str) -> None:
    """Bytes of discarded batches leave the archive's names, for their stems may be offered again; harmless twice."""
    mine = (offering.c.source == source) & (offering.c.feed == feed) & (offering.c.state == State.DISCARDED)
    in_archive = offering.c.kept_in.like("archive/%") & offering.c.archive_pruned_at.is_(None)
    with site.ledger.reading() as connection:
        discarded = offerings.find(connection, mine, in_archive)
    for each in discarded:
        with site.batch_locks(each.stem):
            with site.ledger.reading() as connection:
                current = offerings.get(connection, each.offering_id)
            if current.kept_in == each.kept_in:
                _put_aside(site, current)


def _put_aside(site: Site, current: Offering) -> None:
    place = quarantine_place(site, current)
    assert current.kept_in is not None, "asked for in the query"
    directory = site.home.shared / current.kept_in
    pair = [directory / name for name in pair_names(current)]
    site.objects.bring(pair)
    # A copy that was lost meanwhile keeps nothing else: 'backups verify' tells of it, and 'restore' brings it here.
    there = [path for path in pair if path.exists()]
    keep_all((path, place) for path in there)
    site.objects.put(place / path.name for path in there)
    with site.ledger.transaction() as connection:
        change = site.change("its bytes were moved to quarantine")
        offerings.note(connection, current, change, kept_in=site.relative(place))
    site.objects.drop(pair)


def make_way(site: Site, current: Offering, landed: Path, directory: Path) -> None:
    """Other bytes under the name of a landed file go to quarantine, where no offering claims that they are its own.

    A run that broke off between the bytes and the ledger's word leaves such. Raises StoreError where one claims them.
    """
    if not stands_in_the_way(landed, directory):
        return
    kept = directory / landed.name
    with site.ledger.reading() as connection:
        others = offerings.find(
            connection, offering.c.stem == current.stem, offering.c.offering_id != current.offering_id
        )
    if any(other.kept_in == site.relative(directory) for other in others):
        raise StoreError(f"{kept}: expected no file of another offering; see 'tierline batch show {current.stem}'")
    with kept.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    owner = next(
        (each for each in others if digest in (each.check_digest, (each.digest or "")[len("sha256:") :])), None
    )
    place = quarantine_place(site, owner) if owner else quarantine_place(site, current) / f"orphan-{compact(site.now)}"
    keep_all([(kept, place)])
    site.objects.put([place / kept.name])
    site.objects.drop([kept])


def pair_names(current: Offering) -> tuple[str, str]:
    """The names of data and check file of an offering."""
    return current.file_name, f"{current.stem}.CHK"
