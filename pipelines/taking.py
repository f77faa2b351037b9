"""remote → landed → verified: pairs of data and check file, from the server into the archive (sections 3 and 5).

Pairs go in groups: the ledger's word and the archive's sync are one for a group, and with several connections its
downloads run at once. Whatever breaks off a group, each of its pairs is taken up again where it stood.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.archive import keep_all, write_reason
from pipelines.arrival import ArrivedPair, LeftFile
from pipelines.check_files import MAX_BYTES, CheckFile
from pipelines.contracts.model import Contract
from pipelines.errors import TransferError
from pipelines.faults import fault_point
from pipelines.lanes import Lanes, Outcome
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Move, Offering, State
from pipelines.ledger.standing import Accepted
from pipelines.ledger.tables import offering
from pipelines.names import BatchName
from pipelines.site import Site, archive_place, quarantine_place
from pipelines.transfer.base import ConnectionLostError, Transport
from pipelines.verdicts import Received, Verdict, algorithms, read_check, received_content, received_from, verdict

_GROUP_PAIRS = 100
_GROUP_BYTES = 256 << 20
_SMALL = 64 << 10  # bytes of a data file that is held in memory until it is kept


@dataclass(frozen=True)
class _Claimed:
    """A pair that is ours to take; `is_known`: the same check file was there when a run before broke off."""

    pair: ArrivedPair
    check: bytes
    current: Offering
    is_known: bool

    @property
    def name(self) -> BatchName:
        return self.pair.name


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


def _check_bytes(content: bytes | None) -> bytes:
    """A check file as it came; one that is far too large is as good as any that cannot be read (E201)."""
    return b"\0" if content is None else content


class _Group:
    def __init__(self, site: Site, contract: Contract, lanes: Lanes) -> None:
        self._site = site
        self._contract = contract
        self._lanes = lanes
        self._directory = f"outgoing/{contract.feed}"

    def run(self, pairs: list[ArrivedPair]) -> TakenGroup:
        read = self._lanes.read_small({f"{self._directory}/{pair.check_name}": pair for pair in pairs}, MAX_BYTES)
        if read.broken:
            return TakenGroup([], [], read.errors, read.broken)
        claimed = self._claim([(pair, _check_bytes(content)) for pair, content in read.done])
        fault_point("claim")
        landed = self._land_all(claimed)
        whole = [(batch, found) for batch, found in landed.done if isinstance(found, Received)]
        self._note_fetched(whole)
        fault_point("verify")
        judged = self._settle(whole)
        changing = [found for _, found in landed.done if isinstance(found, LeftFile)]
        return TakenGroup(judged, changing, read.errors + landed.errors, landed.broken)

    def _land_all(self, claimed: list[_Claimed]) -> Outcome[_Claimed, Received | LeftFile]:
        """Small files many at once, and each of the others, or one that is not as its check file says, by itself."""
        small = {
            f"{self._directory}/{batch.pair.data.name}": batch
            for batch in claimed
            if batch.pair.data.size is not None and batch.pair.data.size <= _SMALL
        }
        read = self._lanes.read_small(small, _SMALL)
        landed: Outcome[_Claimed, Received | LeftFile] = Outcome(errors=read.errors, broken=read.broken)
        settled = set(small) if read.broken else set()
        for batch, content in read.done:
            if content is not None:
                found = received_content(batch.name, batch.pair.data.name, batch.check, content)
                check, _ = read_check(batch.name, batch.pair.data.name, batch.check)
                if check is None or found.fits(check):
                    landed.done.append((batch, found))
                    settled.add(f"{self._directory}/{batch.pair.data.name}")
                    fault_point("download")
        failed = small.keys() - {f"{self._directory}/{batch.pair.data.name}" for batch, _ in read.done}
        if read.broken is None:
            rest = [each for each in claimed if f"{self._directory}/{each.pair.data.name}" not in settled | failed]
            others = self._lanes.each(self._land, rest)
            landed = Outcome(landed.done + others.done, landed.errors + others.errors, others.broken)
        return landed

    def _claim(self, found: list[tuple[ArrivedPair, bytes]]) -> list[_Claimed]:
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
            _Claimed(*pairs[each.stem], each, is_known=each.check_digest == digests[each.stem])
            for each in sorted(ours, key=lambda each: each.offering_id)
        ]

    def _land(self, transport: Transport, batch: _Claimed) -> Received | LeftFile:
        """The data file in landing/; or why it is left: its size was another each time that we looked."""
        file_name = batch.pair.data.name
        check, _ = read_check(batch.name, file_name, batch.check)
        received = self._download(transport, batch, check, may_resume=batch.is_known)
        if check is None or received.fits(check):
            return received
        if received.bytes != check.bytes:
            time.sleep(self._site.source(batch.name.source).settle_s)
        again = self._download(transport, batch, check, may_resume=False)  # E202, E203: fetched once more
        sizes = {size for size in (batch.pair.data.size, received.bytes, again.bytes) if size is not None}
        if again.fits(check) or len(sizes) == 1:
            return again
        self._landing(batch.name, file_name).unlink()
        seen = ", then ".join(str(size) for size in (batch.pair.data.size, received.bytes, again.bytes))
        return LeftFile(file_name, None, f"expected {check.bytes} bytes, found {seen}: it is still being written")

    def _download(self, transport: Transport, batch: _Claimed, check: CheckFile | None, may_resume: bool) -> Received:
        whole = self._landing(batch.name, batch.pair.data.name)
        part = whole.with_name(whole.name + ".part")
        if may_resume and whole.exists():
            return received_from(batch.name, whole, batch.check)
        made = {algorithm: hashlib.new(algorithm) for algorithm in algorithms(check)}
        size = 0

        def digest(block: bytes) -> None:
            nonlocal size
            size += len(block)
            for each in made.values():
                each.update(block)

        if may_resume and part.exists():
            with part.open("rb") as former:
                while block := former.read(1 << 20):
                    digest(block)
        with part.open("ab" if size else "wb") as file:

            def sink(block: bytes) -> None:
                file.write(block)
                digest(block)

            try:
                transport.read(f"{self._directory}/{batch.pair.data.name}", sink, size)
            except ConnectionLostError:
                raise  # what came stays: the next run goes on from there
            except TransferError:
                part.unlink()
                raise
        fault_point("download")
        part.replace(whole)
        return Received(
            batch.name, whole.name, batch.check, size, {each: value.hexdigest() for each, value in made.items()}
        )

    def _note_fetched(self, whole: list[tuple[_Claimed, Received]]) -> None:
        moves = [
            Move(
                batch.current.offering_id, State.FETCHED, self._site.change(f"{received.bytes} bytes"),
                {"bytes": received.bytes, "digest": received.digest},
            )
            for batch, received in whole
        ]  # fmt: skip
        with self._site.ledger.transaction() as connection:
            offerings.move_all(connection, moves)

    def _settle(self, whole: list[tuple[_Claimed, Received]]) -> list[tuple[str, State]]:
        """Keep the bytes first, then say so in the ledger."""
        with self._site.ledger.reading() as connection:
            accepted = Accepted(connection, [batch.name for batch, _ in whole])
        verdicts = [(batch, verdict(self._site, self._contract, accepted, received)) for batch, received in whole]
        contents = {batch.name.stem: received.content for batch, received in whole}
        keep_all(
            file for batch, said in verdicts for file in self._files_to_keep(batch, said, contents[batch.name.stem])
        )
        for batch, said in verdicts:
            self._finish_files(batch, said)
            fault_point("archive")
        with self._site.ledger.transaction() as connection:
            offerings.move_all(connection, [self._move(batch, said) for batch, said in verdicts])
        return [(batch.name.stem, said.state) for batch, said in verdicts]

    def _move(self, batch: _Claimed, said: Verdict) -> Move:
        change = self._site.change(said.reason or "size and digest as in the check file")
        return Move(batch.current.offering_id, said.state, change, self._values(batch, said))

    def _files_to_keep(self, batch: _Claimed, said: Verdict, content: bytes | None) -> list[tuple[Path, Path]]:
        if said.state is State.DUPLICATE:
            return []
        data = self._landing(batch.name, batch.pair.data.name)
        check = self._landing(batch.name, batch.pair.check_name)
        for path, written in ((data, content), (check, batch.check)):
            if written is not None:
                path.unlink(missing_ok=True)  # a crash may have left a read-only one
                path.write_bytes(written)
        place = self._place(batch, said)
        return [(data, place), (check, place)]

    def _finish_files(self, batch: _Claimed, said: Verdict) -> None:
        if said.state is State.DUPLICATE:
            self._landing(batch.name, batch.pair.data.name).unlink(missing_ok=True)
        elif said.state is State.REFUSED:
            reason = {"stem": batch.name.stem, "at": self._site.now, "code": said.code, "reason": said.reason}
            write_reason(self._place(batch, said), batch.name.stem, reason)

    def _values(self, batch: _Claimed, said: Verdict) -> dict[str, object]:
        values: dict[str, object] = {"code": said.code, "reason": said.reason, "records": said.records}
        if said.state is not State.DUPLICATE:
            values |= {"kept_in": self._site.relative(self._place(batch, said))}
        if said.state is not State.VERIFIED:
            values |= {"judged_at": self._site.now, "loaded": 0, "rejected": 0}
        return values

    def _place(self, batch: _Claimed, said: Verdict) -> Path:
        if said.state is State.REFUSED:
            return quarantine_place(self._site, batch.current)
        return archive_place(self._site, batch.current)

    def _landing(self, name: BatchName, file_name: str) -> Path:
        return self._site.home.landing / name.source / file_name
