"""remote → landed → verified: one pair of data and check file, from the server into the archive (sections 3 and 5)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pipelines.archive import keep, write_reason
from pipelines.arrival import ArrivedPair
from pipelines.check_files import MAX_BYTES, CheckFile, Unreadable, parse_check_file
from pipelines.contracts.model import Contract, Mode
from pipelines.cycles import parse_cycle
from pipelines.faults import fault_point
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Change, Offering, State
from pipelines.ledger.tables import offering
from pipelines.site import Site, cycle_day, day_path, quarantine_place
from pipelines.transfer.base import Transport


@dataclass(frozen=True)
class _Landed:
    """The bytes of a pair in landing/, with what they are; `digest` is ours, sha256 of the data file."""

    data: Path
    check: Path
    bytes: int
    digest: str


@dataclass(frozen=True)
class _Verdict:
    """What the checks before the content say: a state, and a code with its reason where there is one."""

    state: State
    code: str | None = None
    reason: str | None = None


def take_pair(site: Site, contract: Contract, transport: Transport, pair: ArrivedPair) -> State | None:
    """Take one pair of data and check file; the state it came to, or None where it is in hand already.

    The bytes are kept and synced before the ledger says so. Raises TransferError.
    """
    return _Take(site, contract, transport, pair).run()


class _Take:
    """One pair of data and check file on its way from the server into the archive."""

    def __init__(self, site: Site, contract: Contract, transport: Transport, pair: ArrivedPair) -> None:
        self._site = site
        self._contract = contract
        self._transport = transport
        self._name = pair.name
        self._pair = pair
        self._directory = f"outgoing/{contract.feed}"
        self._landing = site.home.landing / pair.name.source
        self._landing.mkdir(mode=0o750, parents=True, exist_ok=True)

    def run(self) -> State | None:
        check_bytes = self._read_check()
        current = self._claim(hashlib.sha256(check_bytes).hexdigest())
        if current is None:
            return None
        fault_point("claim")
        check, problem = self._parse_check(check_bytes)
        landed = self._land(check_bytes, check)
        if check and (landed.bytes, self._declared_digest(landed, check)) != (check.bytes, check.digest):
            landed = self._land(check_bytes, check)  # E202, E203: fetched once more
        self._note(
            current, State.FETCHED, f"{landed.bytes} bytes", bytes=landed.bytes, digest=f"sha256:{landed.digest}"
        )
        fault_point("verify")
        verdict = self._verdict(check, problem, landed)
        self._settle(current, verdict, landed, check)
        return verdict.state

    def _read_check(self) -> bytes:
        content = bytearray()

        def collect(block: bytes) -> None:
            if len(content) <= MAX_BYTES:
                content.extend(block)

        self._transport.read(f"{self._directory}/{self._pair.check_name}", collect)
        return bytes(content)

    def _claim(self, check_digest: str) -> Offering | None:
        """The offering to work on: a new one, or one that a broken run left; None where it is in hand already."""
        change = self._site.change("its check file is there")
        with self._site.ledger.transaction() as connection:
            open_ones = offerings.find(
                connection, offering.c.stem == self._name.stem, offering.c.acknowledged_at.is_(None)
            )
            for each in open_ones:
                if each.state not in (State.ANNOUNCED, State.FETCHED):
                    return None  # what stands in outgoing/ is judged once the one before is acknowledged
                offerings.take_up(connection, each.offering_id, self._pair.data.name, check_digest)
                return offerings.get(connection, each.offering_id)
            current = offerings.announce(connection, self._name, self._pair.data.name, change)
            if current is not None:
                offerings.take_up(connection, current.offering_id, self._pair.data.name, check_digest)
            return current

    def _parse_check(self, content: bytes) -> tuple[CheckFile | None, str]:
        try:
            check = parse_check_file(content, self._name.stem)
        except Unreadable as error:
            return None, str(error)
        if check.name != self._pair.data.name:
            return None, f"expected it to name {self._pair.data.name}, found {check.name}"
        return check, ""

    def _land(self, check_bytes: bytes, check: CheckFile | None) -> _Landed:
        data = self._landing / self._pair.data.name
        part = data.with_name(data.name + ".part")
        digest = hashlib.sha256()
        with part.open("wb") as file:

            def sink(block: bytes) -> None:
                digest.update(block)
                file.write(block)

            size = self._transport.read(f"{self._directory}/{self._pair.data.name}", sink)
        fault_point("download")
        part.replace(data)
        check_path = self._landing / self._pair.check_name
        check_path.unlink(missing_ok=True)  # a crash may have left a read-only one
        check_path.write_bytes(check_bytes)
        return _Landed(data, check_path, size, digest.hexdigest())

    def _declared_digest(self, landed: _Landed, check: CheckFile) -> str:
        """The landed bytes' digest by the algorithm that the check file uses."""
        if check.digest.startswith("sha256:"):
            return f"sha256:{landed.digest}"
        with landed.data.open("rb") as file:
            return f"md5:{hashlib.file_digest(file, 'md5').hexdigest()}"

    def _verdict(self, check: CheckFile | None, problem: str, landed: _Landed) -> _Verdict:
        """The file checks before the content, in their order: E104 to E106, E201 to E203, duplicate, E503, E504."""
        cycle = parse_cycle(self._contract.schedule.cadence, self._name.cycle)
        if cycle is None:
            cadence = self._contract.schedule.cadence
            reason = f"expected a {cadence} cycle that is a real date, found {self._name.cycle}"
            return _Verdict(State.REFUSED, "E104", reason)
        if cycle.end > self._site.now:
            return _Verdict(State.REFUSED, "E105", f"the cycle ends at {cycle.end}, later than now")
        if Mode(self._name.mode) not in self._contract.modes:
            return _Verdict(State.REFUSED, "E106", f"mode {self._name.mode} is not allowed for {self._name.feed}")
        if check is None:
            return _Verdict(State.REFUSED, "E201", f"check file: {problem}")
        if landed.bytes != check.bytes:
            reason = f"expected {check.bytes} bytes as the check file says, found {landed.bytes}"
            return _Verdict(State.REFUSED, "E202", reason)
        if self._declared_digest(landed, check) != check.digest:
            return _Verdict(
                State.REFUSED, "E203", f"expected {check.digest[:19]}… as the check file says, found another"
            )
        return self._against_ledger(landed)

    def _against_ledger(self, landed: _Landed) -> _Verdict:
        with self._site.ledger.transaction() as connection:
            same_stem = offerings.accepted_of_stem(connection, self._name.stem)
            newest = offerings.newest_accepted(connection, self._name)
        if same_stem is not None:
            if same_stem.digest == f"sha256:{landed.digest}":
                return _Verdict(State.DUPLICATE, reason="the same bytes were accepted before")
            return _Verdict(State.REFUSED, "E503", "a batch of this stem with other bytes was accepted before")
        if newest is not None and newest.version > self._name.version:
            reason = f"version {newest.version} of this SEQ was accepted before"
            return _Verdict(State.SUPERSEDED, "E504", reason)
        return _Verdict(State.VERIFIED)

    def _settle(self, current: Offering, verdict: _Verdict, landed: _Landed, check: CheckFile | None) -> None:
        """Keep the bytes first, then say so in the ledger."""
        values: dict[str, object] = {"code": verdict.code, "reason": verdict.reason}
        if check is not None:
            values |= {"records": check.records}
        if verdict.state is State.DUPLICATE:
            landed.data.unlink()
            landed.check.unlink()
        else:
            directory = self._keeping_place(current, verdict)
            for path in (landed.data, landed.check):
                keep(path, directory)
            values |= {"kept_in": self._site.relative(directory)}
        if verdict.state is State.REFUSED:
            write_reason(directory, self._name.stem, {"stem": self._name.stem, "at": self._site.now} | values)
        if verdict.state is not State.VERIFIED:
            values |= {"judged_at": self._site.now, "loaded": 0, "rejected": 0}
        fault_point("archive")
        self._note(current, verdict.state, verdict.reason or "size and digest as in the check file", **values)

    def _keeping_place(self, current: Offering, verdict: _Verdict) -> Path:
        if verdict.state is State.REFUSED:
            return quarantine_place(self._site, current)
        return self._site.home.archive / self._name.feed / day_path(cycle_day(self._site, current))

    def _note(self, current: Offering, state: State, cause: str, **values: object) -> None:
        change: Change = self._site.change(cause)
        with self._site.ledger.transaction() as connection:
            offerings.move(connection, current.offering_id, state, change, **values)
