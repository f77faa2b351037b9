"""Whether anything of a source's feeds waits for a step of ours: asked by every poll, so it needs the ledger alone."""

from __future__ import annotations

from sqlalchemy import or_

from pipelines.ledger import offerings
from pipelines.ledger.offerings import State
from pipelines.ledger.tables import offering
from pipelines.site import Scope, Site

_TO_CHECK_OR_LOAD = (State.VERIFIED.value, State.STAGED.value)


def is_waiting(site: Site, scope: Scope) -> bool:
    """Whether a run that broke off left batches of a scope to check, to load or to acknowledge."""
    answers = (offerings.awaiting_acknowledgement(source) for source in scope.sources or site.config.sources)
    with site.ledger.reading() as connection:
        found = offerings.find(connection, or_(offering.c.state.in_(_TO_CHECK_OR_LOAD), *answers))
    return any(scope.has(each.source, each.feed, each.cycle) for each in found)
