"""Discarded batches make way: their bytes leave the names of the archive, and are kept."""

from __future__ import annotations

from pipelines.archive import keep_all
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Offering, State
from pipelines.ledger.tables import offering
from pipelines.site import Site, quarantine_place


def put_aside_discarded(site: Site, source: str, feed: str) -> None:
    """Bytes of discarded batches leave the archive's names, for their stems may be offered again; harmless twice."""
    mine = (offering.c.source == source) & (offering.c.feed == feed) & (offering.c.state == State.DISCARDED)
    with site.ledger.reading() as connection:
        discarded = offerings.find(connection, mine, offering.c.kept_in.like("archive/%"))
    for current in discarded:
        place = quarantine_place(site, current)
        assert current.kept_in is not None, "asked for in the query"
        directory = site.home.root / current.kept_in
        keep_all((directory / name, place) for name in pair_names(current))
        with site.ledger.transaction() as connection:
            change = site.change("its bytes were moved to quarantine")
            offerings.note(connection, current, change, kept_in=site.relative(place))


def pair_names(current: Offering) -> tuple[str, str]:
    """The names of data and check file of an offering."""
    return current.file_name, f"{current.stem}.CHK"
