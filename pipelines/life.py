"""What an operator may decide of a batch: retry, accept, discard, replay; each in the ledger with reason and name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.archive import keep_all, reason_path, write_reason
from pipelines.aside import make_way, pair_names, put_aside_discarded
from pipelines.batch_check import judge_again
from pipelines.checking import Checked, check_group
from pipelines.errors import StoreError, UsageError
from pipelines.ledger import offerings
from pipelines.ledger.offerings import ACCEPTED, ON_ITS_WAY, STANDING, Change, Offering, State
from pipelines.ledger.standing import Accepted, bring_back
from pipelines.ledger.tables import offering
from pipelines.resends import IN_HAND
from pipelines.site import Site, archive_place, quarantine_place
from pipelines.verdicts import Verdict, received_from, verdict

LIMIT = "E501"
DISCARDABLE = (State.VERIFIED, *STANDING, State.SUPERSEDED, State.REFUSED, *IN_HAND)


@dataclass(frozen=True)
class Replayed:
    """A batch judged again from the archive; `code` is set where it would be refused now: then it stands as it was."""

    stem: str
    code: str | None
    reason: str
    loaded: int
    rejected: int


def retry(site: Site, current: Offering, why: str, *, waive_limit: bool = False) -> Checked:
    """Judge a refused offering anew from its kept bytes, by contract, ledger and clock of now.

    `waive_limit`: E501 need not hold, now and in replays. Raises UsageError where it is not refused, or another of
    its stem stands; StoreError where its bytes are not what was fetched.
    """
    if current.state is State.VERIFIED:
        return _judge(site, current)
    if current.state is not State.REFUSED:
        found = f"{current.state}; {_ADVICE[current.state]}"
        raise UsageError(f"batch {current.stem}: expected a refused one, found {found}")
    with site.batch_locks(current.stem):
        current = _still_refused(site, current)
        data, check = _kept_pair(site, current)
        received = received_from(current.name, data, check.read_bytes())
        for path, digest, fetched in (
            (data, received.digest, current.digest),
            (check, hashlib.sha256(received.check).hexdigest(), current.check_digest),
        ):
            if digest != fetched:
                raise StoreError(f"{path}: expected the bytes that were fetched, found others; nothing was changed")
        with site.ledger.reading() as connection:
            accepted = Accepted(connection, [current.name])
        said = verdict(site, site.contracts[current.feed], accepted, received)
        waived = {"limit_waived": why} if waive_limit else {}
        cause = f"{LIMIT} waived: {why}" if waive_limit else f"retried: {why}"
        _apply(site, current, said, [data, check], site.change(cause), waived)
    if said.state is not State.VERIFIED:
        return Checked(refused=[current.stem])
    return _judge(site, current)


def _still_refused(site: Site, current: Offering) -> Offering:
    """The offering as it is now, under the batch's lock.

    Raises UsageError where another command was faster, or another offering of the stem is on its way or was accepted.
    """
    with site.ledger.reading() as connection:
        current = offerings.get(connection, current.offering_id)
        same = offerings.find(connection, offering.c.stem == current.stem)
    if current.state is not State.REFUSED:
        raise UsageError(
            f"batch {current.stem}: is {current.state} by now; {_ADVICE.get(current.state, 'see batch show')}"
        )
    if any(each.state in ON_ITS_WAY for each in same):
        raise UsageError(f"batch {current.stem}: it was offered again and is on its way; 'tierline run' first")
    # The producer's receipt is of the one that was accepted: what is said of another now would write over it.
    if accepted := next((each for each in same if each.state in ACCEPTED), None):
        if accepted.digest == current.digest:
            advice = "the same bytes stand already; 'batch discard --offering' ends this one"
        else:
            advice = f"other bytes stand under its stem; 'tierline batch discard {current.stem}' takes them out first"
        raise UsageError(f"batch {current.stem}: {advice}")
    return current


def _apply(
    site: Site, current: Offering, said: Verdict, pair: list[Path], change: Change, more: dict[str, Any]
) -> None:
    """Bytes first, then the ledger; the producer hears of a verdict that is another one."""
    values: dict[str, Any] = {"code": said.code, "reason": said.reason, "loaded": 0, "rejected": 0, **more}
    if said.state is not State.REFUSED:
        place = archive_place(site, current)
        for path in pair:
            make_way(site, current, path, place)
        keep_all((path, place) for path in pair)
        site.objects.put(place / path.name for path in pair)
        values |= {"kept_in": site.relative(place), "records": said.records, "judged_at": None}
    if said.state is State.SUPERSEDED:
        values["judged_at"] = site.now
    if (said.state, said.code) != (State.REFUSED, current.code):
        values["acknowledged_at"] = None
        if said.state is State.REFUSED:
            _write_reason(site, current, said)
    with site.ledger.transaction() as connection:
        offerings.move(connection, current.offering_id, said.state, change, **values)
    if said.state is not State.REFUSED:
        site.objects.drop(quarantine_place(site, current) / path.name for path in pair)


def _write_reason(site: Site, current: Offering, said: Verdict) -> None:
    place = quarantine_place(site, current)
    reason = {"stem": current.stem, "code": said.code, "reason": said.reason, "at": site.now}
    write_reason(place, current.stem, reason)
    site.objects.put([reason_path(place, current.stem)])


def accept(site: Site, current: Offering, why: str) -> Checked:
    """Let a batch through that the limit E501 refused; its rejected rows stay rejected. Raises UsageError."""
    if current.state is not State.REFUSED or current.code != LIMIT:
        found = f"{current.state} {current.code or ''}".strip()
        raise UsageError(f"batch {current.stem}: expected one that {LIMIT} refused, found {found}; see 'batch show'")
    return retry(site, current, why, waive_limit=True)


def discard(site: Site, current: Offering, why: str) -> Offering | None:
    """Take a batch out; returns the version below it that comes back, if any, which then has to be judged.

    Its bytes are kept in quarantine; core loses its rows with the next load. One that a poll broke off with ends, and
    what lies of it on the server stays there, to be offered anew. Raises UsageError where there is nothing to take out.
    """
    with (
        _out_of_hand(site, current),
        site.batch_locks(current.stem),
        site.ledger.transaction() as connection,
    ):
        current = offerings.get(connection, current.offering_id)
        if current.state not in DISCARDABLE:
            advice = _ADVICE.get(current.state, "see 'batch show'")
            raise UsageError(f"batch {current.stem}: is {current.state}; there is nothing to discard; {advice}")
        # What is not kept here is not ours to move on the server, and what was never taken has no receipt.
        acknowledged_at = site.now if current.state in IN_HAND else None
        offerings.move(
            connection, current.offering_id, State.DISCARDED, site.change(f"discarded: {why}"),
            reason=f"discarded: {why}", judged_at=site.now, loaded=0, control_loaded=0,
            acknowledged_at=acknowledged_at,
        )  # fmt: skip
        back = bring_back(connection, current, site.change(f"version {current.version} was discarded"))
    put_aside_discarded(site, current.source, current.feed)
    return back


@contextmanager
def _out_of_hand(site: Site, current: Offering) -> Iterator[None]:
    """No poll takes up an offering meanwhile that one had in hand, for its word would come after ours."""
    if current.state not in IN_HAND:
        yield
        return
    with site.lock(f"take-{current.source}-{current.feed}") as mine:
        if not mine:
            found = f"another process takes files of {current.feed} from {current.source} right now"
            raise UsageError(f"batch {current.stem}: is {current.state}, and {found}; wait until it is done")
        yield


def replay(site: Site, current: Offering, change: Change) -> Replayed:
    """Judge a standing batch again from the archive; its rows are staged anew, and loaded anew by the next load.

    One that would be refused now stands as it was: to take it out is what discard is for. Raises StoreError.
    """
    with site.batch_locks(current.stem):
        with site.ledger.reading() as connection:
            current = offerings.get(connection, current.offering_id)
        if current.state not in STANDING:
            raise StoreError(f"is {current.state} by now; it was not replayed")
        judgement = judge_again(site, current, change)
    return Replayed(current.stem, judgement.code, judgement.reason, judgement.loaded, judgement.rejected)


def _judge(site: Site, current: Offering) -> Checked:
    checked = Checked()
    check_group(site, [current], checked)
    return checked


def _kept_pair(site: Site, current: Offering) -> tuple[Path, Path]:
    """Data and check file of a refused offering: in quarantine, or where a retry that broke off had put them."""
    found = []
    for name in pair_names(current):
        places = [quarantine_place(site, current) / name, archive_place(site, current) / name]
        site.objects.bring(places)
        kept = next((place for place in places if place.exists()), None)
        if kept is None:
            raise StoreError(f"{places[0]}: expected the bytes of {current.stem}, found none; run 'backups restore'")
        found.append(kept)
    return found[0], found[1]


_ADVICE = {
    State.ANNOUNCED: "it is on the server, 'tierline fetch' takes it up again; one withdrawn is for 'batch discard'",
    State.FETCHED: "'tierline fetch' takes it up again; one withdrawn is for 'batch discard'",
    State.STAGED: "'tierline load' loads it",
    State.LOADED: "it is in core; 'tierline replay' judges it again from the archive",
    State.SUPERSEDED: "a newer version stands; 'tierline batch discard' of that one brings it back",
    State.DUPLICATE: "the same bytes were accepted before",
    State.DISCARDED: "the producer may offer its stem again",
}
