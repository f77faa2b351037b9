"""remote → landed → verified: pairs of data and check file, from the server into the archive (sections 3 and 5).

Pairs go in groups: the ledger's word and the archive's sync are one for a group, and with several connections its
downloads run at once. Whatever breaks off a group, each of its pairs is taken up again where it stood.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.archive import keep_all, reason_path, write_reason
from pipelines.arrival import ArrivedPair, LeftFile
from pipelines.aside import make_way
from pipelines.check_files import MAX_BYTES
from pipelines.contracts.model import Contract
from pipelines.errors import StoreError, TransferError
from pipelines.faults import fault_point
from pipelines.landing import Claimed, Landing
from pipelines.lanes import Lanes
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Move, State
from pipelines.ledger.standing import Accepted, bring_back
from pipelines.ledger.tables import offering
from pipelines.site import Site, archive_place, quarantine_place
from pipelines.transfer.base import Transport, first_bytes
from pipelines.verdicts import Received, Verdict, verdict

_GROUP_PAIRS = 100
_GROUP_BYTES = 256 << 20
_MOST_CHECK = 4 << 10  # bytes of a check file that is read with the others of its group


@dataclass
class TakenGroup:
    """What became of a group: (stem, state) of those that were judged, files that still change, errors of files."""

    judged: list[tuple[str, State]]
    changing: list[LeftFile]
    errors: list[str]
    broken: TransferError | None  # the connection is gone; some pairs of the group were not tried


def groups(pairs: list[ArrivedPair]) -> Iterator[list[ArrivedPair]]:
    """Pairs in the groups in which they are taken: so many, or so many bytes as listed."""
    group: list[ArrivedPair] = []
    size = 0
    for pair in pairs:
        if group and (len(group) == _GROUP_PAIRS or size > _GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(pair)
        size += pair.data.size or 0
    if group:
        yield group


def take_group(site: Site, contract: Contract, lanes: Lanes, pairs: list[ArrivedPair]) -> TakenGroup:
    """Take a group of pairs. The bytes are kept and synced before the ledger says so."""
    return _Group(site, contract, lanes).run(pairs)


class _Group:
    def __init__(self, site: Site, contract: Contract, lanes: Lanes) -> None:
        self._site = site
        self._contract = contract
        self._lanes = lanes
        self._landing = Landing(site, contract, lanes)

    def run(self, pairs: list[ArrivedPair]) -> TakenGroup:
        read = self._lanes.read_small(
            {f"outgoing/{self._contract.feed}/{pair.check_name}": pair for pair in pairs}, _MOST_CHECK
        )
        if read.broken:
            return TakenGroup([], [], read.errors, read.broken)
        long_ones = self._lanes.each(self._read_long_check, [pair for pair, content in read.done if content is None])
        if long_ones.broken:
            return TakenGroup([], [], read.errors + long_ones.errors, long_ones.broken)
        checks = [(pair, content) for pair, content in read.done if content is not None]
        claimed = self._claim(checks + long_ones.done)
        fault_point("claim")
        landed = self._landing.land_all(claimed)
        whole = [(batch, found) for batch, found in landed.done if isinstance(found, Received)]
        self._note_fetched(whole)
        fault_point("verify")
        errors = read.errors + long_ones.errors + landed.errors
        judged = self._settle(whole, errors)
        changing = [found for _, found in landed.done if isinstance(found, LeftFile)]
        return TakenGroup(judged, changing, errors, landed.broken)

    def _read_long_check(self, transport: Transport, pair: ArrivedPair) -> bytes:
        """A check file that is none, as far as anybody would read it (E201)."""
        return first_bytes(transport, f"outgoing/{self._contract.feed}/{pair.check_name}", MAX_BYTES)

    def _claim(self, found: list[tuple[ArrivedPair, bytes]]) -> list[Claimed]:
        """The offerings to work on: new ones, and those that a broken run left; others are in hand already."""
        pairs = {pair.name.stem: (pair, check) for pair, check in found}
        digests = {stem: hashlib.sha256(check).hexdigest() for stem, (_, check) in pairs.items()}
        change = self._site.change("its check file is there")
        with self._site.ledger.transaction() as connection:
            unfinished = offerings.find(connection, offering.c.stem.in_(pairs), offering.c.acknowledged_at.is_(None))
            broken_off = [each for each in unfinished if each.state in (State.ANNOUNCED, State.FETCHED)]
            # What stands in outgoing/ beside one that waits for its receipt is judged once that was acknowledged.
            in_hand = {each.stem for each in unfinished} - {each.stem for each in broken_off}
            left = [each for each in broken_off if each.stem not in in_hand]
            fresh = pairs.keys() - {each.stem for each in unfinished}
            new = [(pairs[stem][0].name, pairs[stem][0].data.name) for stem in sorted(fresh)]
            ours = [*left, *offerings.announce_all(connection, new, change)]
            offerings.take_up_all(
                connection,
                [(each.offering_id, pairs[each.stem][0].data.name, digests[each.stem]) for each in ours],
            )
        return [
            Claimed(*pairs[each.stem], each, is_known=each.check_digest == digests[each.stem])
            for each in sorted(ours, key=lambda each: each.offering_id)
        ]

    def _note_fetched(self, whole: list[tuple[Claimed, Received]]) -> None:
        moves = [
            Move(
                batch.current.offering_id, State.FETCHED, self._site.change(f"{received.bytes} bytes"),
                {"bytes": received.bytes, "digest": received.digest},
            )
            for batch, received in whole
        ]  # fmt: skip
        with self._site.ledger.transaction() as connection:
            offerings.move_all(connection, moves)

    def _settle(self, whole: list[tuple[Claimed, Received]], errors: list[str]) -> list[tuple[str, State]]:
        """Keep the bytes first, then say so in the ledger. One that cannot be kept does not keep the others."""
        with self._site.ledger.reading() as connection:
            accepted = Accepted(connection, [batch.name for batch, _ in whole])
        kept: list[tuple[Path, Path]] = []
        verdicts = []
        self._site.objects.bring(path for batch, _ in whole for path in self._in_the_way(batch))
        for batch, received in whole:
            said = verdict(self._site, self._contract, accepted, received)
            try:
                kept += self._files_to_keep(batch, said, received.content)
            except StoreError as error:
                errors.append(str(error))
            else:
                verdicts.append((batch, said))
        keep_all(kept)
        for batch, said in verdicts:
            self._finish_files(batch, said)
        reasons = [
            reason_path(self._place(batch, said), batch.name.stem)
            for batch, said in verdicts
            if said.state is State.REFUSED
        ]
        self._site.objects.put([*(directory / landed.name for landed, directory in kept), *reasons])
        for _ in verdicts:
            fault_point("archive")
        with self._site.ledger.transaction() as connection:
            offerings.move_all(connection, [self._move(batch, said) for batch, said in verdicts])
            for batch, said in verdicts:
                if said.state in (State.DUPLICATE, State.REFUSED):  # a version that was discarded may wait for this
                    bring_back(connection, batch.name, self._site.change(f"{batch.name.stem} is {said.state}"))
        return [(batch.name.stem, said.state) for batch, said in verdicts]

    def _move(self, batch: Claimed, said: Verdict) -> Move:
        change = self._site.change(said.reason or "size and digest as in the check file")
        return Move(batch.current.offering_id, said.state, change, self._values(batch, said))

    def _files_to_keep(self, batch: Claimed, said: Verdict, content: bytes | None) -> list[tuple[Path, Path]]:
        if said.state is State.DUPLICATE:
            return []
        data = self._landing.place(batch.name, batch.pair.data.name)
        check = self._landing.place(batch.name, batch.pair.check_name)
        for path, written in ((data, content), (check, batch.check)):
            if written is not None:
                path.unlink(missing_ok=True)  # a crash may have left a read-only one
                path.write_bytes(written)
        place = self._place(batch, said)
        for path in (data, check):
            make_way(self._site, batch.current, path, place)
        return [(data, place), (check, place)]

    def _in_the_way(self, batch: Claimed) -> list[Path]:
        """Where other bytes may stand under its names: of an offering that another worker keeps, or left unfinished."""
        place = archive_place(self._site, batch.current)
        return [place / batch.pair.data.name, place / batch.pair.check_name]

    def _finish_files(self, batch: Claimed, said: Verdict) -> None:
        if said.state is State.DUPLICATE:
            self._landing.place(batch.name, batch.pair.data.name).unlink(missing_ok=True)
        elif said.state is State.REFUSED:
            reason = {"stem": batch.name.stem, "at": self._site.now, "code": said.code, "reason": said.reason}
            write_reason(self._place(batch, said), batch.name.stem, reason)

    def _values(self, batch: Claimed, said: Verdict) -> dict[str, object]:
        values: dict[str, object] = {"code": said.code, "reason": said.reason, "records": said.records}
        if said.state is not State.DUPLICATE:
            values |= {"kept_in": self._site.relative(self._place(batch, said))}
        if said.state is not State.VERIFIED:
            values |= {"judged_at": self._site.now, "loaded": 0, "rejected": 0}
        return values

    def _place(self, batch: Claimed, said: Verdict) -> Path:
        if said.state is State.REFUSED:
            return quarantine_place(self._site, batch.current)
        return archive_place(self._site, batch.current)
