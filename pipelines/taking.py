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
from pipelines.lanes import Lanes
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Offering, State
from pipelines.ledger.tables import offering
from pipelines.names import BatchName
from pipelines.site import Site, archive_place, quarantine_place
from pipelines.transfer.base import ConnectionLostError, Transport
from pipelines.verdicts import Received, Verdict, algorithms, read_check, received_from, verdict

_GROUP_PAIRS = 100
_GROUP_BYTES = 256 << 20


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


class _Group:
    def __init__(self, site: Site, contract: Contract, lanes: Lanes) -> None:
        self._site = site
        self._contract = contract
        self._lanes = lanes
        self._directory = f"outgoing/{contract.feed}"

    def run(self, pairs: list[ArrivedPair]) -> TakenGroup:
        read = self._lanes.each(self._read_check, pairs)
        if read.broken:
            return TakenGroup([], [], read.errors, read.broken)
        claimed = self._claim(read.done)
        fault_point("claim")
        landed = self._lanes.each(self._land, claimed)
        whole = [(batch, found) for batch, found in landed.done if isinstance(found, Received)]
        self._note_fetched(whole)
        fault_point("verify")
        judged = self._settle(whole)
        changing = [found for _, found in landed.done if isinstance(found, LeftFile)]
        return TakenGroup(judged, changing, read.errors + landed.errors, landed.broken)

    def _read_check(self, transport: Transport, pair: ArrivedPair) -> bytes:
        content = bytearray()

        def collect(block: bytes) -> None:
            if len(content) <= MAX_BYTES:
                content.extend(block)

        transport.read(f"{self._directory}/{pair.check_name}", collect)
        return bytes(content)

    def _claim(self, found: list[tuple[ArrivedPair, bytes]]) -> list[_Claimed]:
        """The offerings to work on: new ones, and those that a broken run left; others are in hand already."""
        claimed = []
        change = self._site.change("its check file is there")
        with self._site.ledger.transaction() as connection:
            for pair, check in found:
                open_ones = offerings.find(
                    connection, offering.c.stem == pair.name.stem, offering.c.acknowledged_at.is_(None)
                )
                if any(each.state not in (State.ANNOUNCED, State.FETCHED) for each in open_ones):
                    continue  # what stands in outgoing/ is judged once the one before is acknowledged
                digest = hashlib.sha256(check).hexdigest()
                current = open_ones[0] if open_ones else None
                is_known = current is not None and current.check_digest == digest
                current = current or offerings.announce(connection, pair.name, pair.data.name, change)
                if current is not None:
                    offerings.take_up(connection, current.offering_id, pair.data.name, digest)
                    current = offerings.get(connection, current.offering_id)
                    claimed.append(_Claimed(pair, check, current, is_known))
        return claimed

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
        with self._site.ledger.transaction() as connection:
            for batch, received in whole:
                change = self._site.change(f"{received.bytes} bytes")
                values = {"bytes": received.bytes, "digest": received.digest}
                offerings.move(connection, batch.current.offering_id, State.FETCHED, change, **values)

    def _settle(self, whole: list[tuple[_Claimed, Received]]) -> list[tuple[str, State]]:
        """Keep the bytes first, then say so in the ledger."""
        with self._site.ledger.reading() as connection:
            verdicts = [(batch, verdict(self._site, self._contract, connection, received)) for batch, received in whole]
        keep_all(file for batch, said in verdicts for file in self._files_to_keep(batch, said))
        for batch, said in verdicts:
            self._finish_files(batch, said)
            fault_point("archive")
        with self._site.ledger.transaction() as connection:
            for batch, said in verdicts:
                change = self._site.change(said.reason or "size and digest as in the check file")
                values = self._values(batch, said)
                offerings.move(connection, batch.current.offering_id, said.state, change, **values)
        return [(batch.name.stem, said.state) for batch, said in verdicts]

    def _files_to_keep(self, batch: _Claimed, said: Verdict) -> list[tuple[Path, Path]]:
        if said.state is State.DUPLICATE:
            return []
        check = self._landing(batch.name, batch.pair.check_name)
        check.unlink(missing_ok=True)  # a crash may have left a read-only one
        check.write_bytes(batch.check)
        place = self._place(batch, said)
        return [(self._landing(batch.name, batch.pair.data.name), place), (check, place)]

    def _finish_files(self, batch: _Claimed, said: Verdict) -> None:
        if said.state is State.DUPLICATE:
            self._landing(batch.name, batch.pair.data.name).unlink()
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
