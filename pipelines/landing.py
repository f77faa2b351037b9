"""remote → landed: the bytes of data files, small ones many at once, large ones resumed where they broke off."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from pipelines.arrival import ArrivedPair, LeftFile
from pipelines.check_files import CheckFile
from pipelines.contracts.model import Contract
from pipelines.digesting import Digester
from pipelines.durable import naming_full_disk
from pipelines.errors import StoreError, TransferError
from pipelines.faults import fault_point
from pipelines.lanes import GONE, Lanes, Outcome
from pipelines.ledger.offerings import Offering
from pipelines.names import BatchName
from pipelines.site import Site, free_bytes, require_free_space
from pipelines.transfer.base import OverrunError, Transport, at_most
from pipelines.verdicts import Received, algorithms, read_check, received_content, received_from

_SPARE_BYTES = 64 << 20
_BLOCK = 1 << 20
_SMALL = 64 << 10  # bytes of a data file that is held in memory until it is kept


@dataclass(frozen=True)
class Claimed:
    """A pair that is ours to take; `is_known`: the same check file was there when a run before broke off."""

    pair: ArrivedPair
    check: bytes
    current: Offering
    is_known: bool

    @property
    def name(self) -> BatchName:
        return self.pair.name


class Landing:
    """The way of one feed's data files into `landing/<source>/`."""

    def __init__(self, site: Site, contract: Contract, lanes: Lanes) -> None:
        self._site = site
        self._lanes = lanes
        self._directory = f"outgoing/{contract.feed}"
        self._file_bytes = contract.limits.file_bytes

    def land_all(self, claimed: list[Claimed]) -> Outcome[Claimed, Received | LeftFile]:
        """Small files many at once; each of the others, or one that is not as its check file says, by itself."""
        small = {self._path(each): each for each in claimed if (each.pair.data.size or _SMALL + 1) <= _SMALL}
        read = self._lanes.read_small(small, _SMALL)
        landed: Outcome[Claimed, Received | LeftFile] = Outcome(errors=read.errors, broken=read.broken)
        rest = [each for each in claimed if self._path(each) not in small]
        for batch, content in read.done:
            found = self._received(batch, content)
            if found is None:
                rest.append(batch)
            else:
                landed.done.append((batch, found))
                fault_point("download")
        if landed.broken is None:
            landed.add(self._lanes.each(self._land, rest))
        return landed

    def _received(self, batch: Claimed, content: bytes | None) -> Received | None:
        """A small file that is as its check file says, or whose check file says nothing; None for another."""
        if content is None:
            return None
        found = received_content(batch.name, batch.pair.data.name, batch.check, content)
        check, _ = read_check(batch.name, batch.pair.data.name, batch.check)
        return found if check is None or found.fits(check) else None

    def _path(self, batch: Claimed) -> str:
        return f"{self._directory}/{batch.pair.data.name}"

    def _land(self, transport: Transport, batch: Claimed) -> Received | LeftFile:
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
        self.place(batch.name, file_name).unlink()
        seen = ", then ".join(str(size) for size in (batch.pair.data.size, received.bytes, again.bytes))
        return LeftFile(file_name, None, f"expected {check.bytes} bytes, found {seen}: it is still being written")

    def _download(self, transport: Transport, batch: Claimed, check: CheckFile | None, may_resume: bool) -> Received:
        whole = self.place(batch.name, batch.pair.data.name)
        part = whole.with_name(whole.name + ".part")
        if may_resume and whole.exists():
            return received_from(batch.name, whole, batch.check)
        with naming_full_disk(f"{batch.name.stem}: {part}"), Digester(algorithms(check)) as digester:
            if may_resume and part.exists():
                with part.open("rb") as former:
                    while block := former.read(_BLOCK):
                        digester.update(block)
            self._require_space(batch, part.parent, digester.size)
            most = self._most(batch, part.parent, digester.size)
            with part.open("ab" if digester.size else "wb") as file:

                def sink(block: bytes) -> None:
                    file.write(block)
                    digester.update(block)

                try:
                    transport.read(self._path(batch), at_most(most, self._path(batch), sink), digester.size)
                except OverrunError:
                    part.unlink()
                    raise
                except GONE:
                    raise  # what came stays: the next run goes on from there
                except TransferError:
                    part.unlink()
                    raise
        fault_point("download")
        part.replace(whole)
        return Received(batch.name, whole.name, batch.check, digester.size, digester.digests)

    def _require_space(self, batch: Claimed, directory: Path, had: int) -> None:
        try:
            require_free_space(directory, _SPARE_BYTES + max((batch.pair.data.size or 0) - had, 0))
        except StoreError as error:  # what is too large for the disk keeps no other
            raise TransferError(f"{batch.name.stem}: {error}") from error

    def _most(self, batch: Claimed, directory: Path, had: int) -> int:
        """How much more may come: no server fills the disk by saying that a file is small, or nothing of its size."""
        expected = max(batch.pair.data.size or 0, self._file_bytes) + _SPARE_BYTES - had
        return max(min(expected, free_bytes(directory) - _SPARE_BYTES), 0)

    def place(self, name: BatchName, file_name: str) -> Path:
        return self._site.home.landing / name.source / file_name
