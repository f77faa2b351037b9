"""remote → verified: polling the sources, all at once. Nothing here needs the warehouse, so a poll stays small."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from pipelines.errors import StoreError, TransferError
from pipelines.lanes import GONE, Lanes
from pipelines.polling import Taken, Tally, poll_feed, poll_outgoing
from pipelines.site import Scope, Site, require_cadences, require_free_space

NEEDED_BYTES = 256 << 20
_SOURCES_AT_ONCE = 32
T = TypeVar("T")


@dataclass
class Fetched:
    """What the polls of some sources came to. `errors`: sources that could not be polled, and why."""

    taken: Taken = field(default_factory=Taken)
    errors: dict[str, str] = field(default_factory=dict)


def poll_source(site: Site, source: str, scope: Scope, tally: Tally | None = None) -> Taken:
    """remote → verified for one source: take what has arrived of its feeds. Raises TransferError without a connection.

    A file or feed that cannot be read does not keep the others of the source: why is in what it returns.
    """
    require_cadences(site)
    require_free_space(site.home.landing, NEEDED_BYTES)
    taken = Taken()
    config = site.source(source)
    with Lanes(config) as lanes:
        taken.left += poll_outgoing(site, config, lanes.first)
        for contract in site.feeds_of(config, scope):
            try:
                taken.add(poll_feed(site, config, contract, lanes, scope.cycles, tally or Tally()))
            except GONE:
                raise
            except (TransferError, StoreError) as error:
                taken.errors.append(str(error))
    return taken


def fetch(site: Site, scope: Scope, progress: Callable[[int, int], None] | None = None) -> Fetched:
    """remote → verified for all sources of a scope at once; one that fails does not keep the others."""
    fetched, tally = Fetched(), Tally(progress)
    results = each_source(site, scope, lambda source: poll_source(site, source, scope, tally))
    for source, result in results.items():
        if isinstance(result, TransferError):
            fetched.errors[source] = str(result)
        else:
            fetched.taken.add(result)
            if result.errors:
                fetched.errors[source] = "; ".join(result.errors)
    return fetched


def each_source(site: Site, scope: Scope, work: Callable[[str], T]) -> dict[str, T | TransferError]:
    """Do the work for all sources of a scope at once; a source's TransferError stands for its result."""

    def guarded(source: str) -> T | TransferError:
        try:
            return work(source)
        except TransferError as error:
            return error

    sources = [source for source in site.config.sources if not scope.sources or source in scope.sources]
    with ThreadPoolExecutor(_SOURCES_AT_ONCE) as threads:
        return dict(zip(sources, threads.map(guarded, sources), strict=True))
