"""What is said of a pair of data and check file before anybody looks inside: E104 to E203, duplicate, E503, E504."""

from __future__ import annotations

import builtins
import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipelines.check_files import CheckFile, Unreadable, parse_check_file
from pipelines.contracts.model import Contract, Mode
from pipelines.cycles import parse_cycle
from pipelines.ledger.offerings import State
from pipelines.ledger.standing import Accepted
from pipelines.names import BatchName
from pipelines.site import Site

_SHOWN = 12  # digits of a digest in a message


@dataclass(frozen=True)
class Received:
    """The bytes of a pair as they came; `digests` has ours, sha256, and md5 where the check file declares that.

    `content` holds a small file's bytes until they are kept; a larger one's are in landing/.
    """

    name: BatchName
    file_name: str
    check: builtins.bytes
    bytes: int
    digests: dict[str, str]
    content: builtins.bytes | None = None

    @property
    def digest(self) -> str:
        """How the ledger knows these bytes."""
        return f"sha256:{self.digests['sha256']}"

    def fits(self, check: CheckFile) -> bool:
        """Size and digest are those that the check file declares (E202, E203)."""
        algorithm, _, digest = check.digest.partition(":")
        return self.bytes == check.bytes and self.digests[algorithm] == digest


@dataclass(frozen=True)
class Verdict:
    """A state, with a code and a reason where it is not VERIFIED; `records` as the check file declares them."""

    state: State
    code: str | None = None
    reason: str | None = None
    records: int | None = None


def algorithms(check: CheckFile | None) -> set[str]:
    """The digests to be made of a data file while it passes."""
    return {"sha256"} | ({check.digest.partition(":")[0]} if check else set())


def received_content(name: BatchName, file_name: str, check: bytes, content: bytes) -> Received:
    """A small file's bytes, digested."""
    declared, _ = read_check(name, file_name, check)
    digests = {each: hashlib.new(each, content).hexdigest() for each in algorithms(declared)}
    return Received(name, file_name, check, len(content), digests, content)


def received_from(name: BatchName, data: Path, check: bytes) -> Received:
    """What kept files hold, read once more."""
    declared, _ = read_check(name, data.name, check)
    made = {algorithm: hashlib.new(algorithm) for algorithm in algorithms(declared)}
    size = 0
    with data.open("rb") as file:
        while block := file.read(1 << 20):
            size += len(block)
            for digest in made.values():
                digest.update(block)
    return Received(name, data.name, check, size, {each: digest.hexdigest() for each, digest in made.items()})


def read_check(name: BatchName, file_name: str, content: bytes) -> tuple[CheckFile | None, str]:
    """The check file of a data file, or why it cannot be used (E201)."""
    try:
        check = parse_check_file(content, name.stem)
    except Unreadable as error:
        return None, str(error)
    if check.name != file_name:
        return None, f"expected it to name {file_name}, found {check.name}"
    return check, ""


def verdict(site: Site, contract: Contract, accepted: Accepted, received: Received) -> Verdict:
    """The first check that fails speaks, in the order of the file interface, section 5."""
    alone = verdict_alone(contract, received, site.now)
    return _against_ledger(accepted, received, alone.records) if alone.state is State.VERIFIED else alone


def verdict_alone(contract: Contract, received: Received, now: datetime) -> Verdict:
    """What can be said without knowing what came before: E104 to E203."""
    if problem := _wrong_cycle(contract, received.name, now):
        return problem
    check, unreadable = read_check(received.name, received.file_name, received.check)
    if check is None:
        return Verdict(State.REFUSED, "E201", f"check file: {unreadable}")
    if received.bytes != check.bytes:
        reason = f"expected {check.bytes} bytes as the check file says, found {received.bytes}"
        return Verdict(State.REFUSED, "E202", reason, check.records)
    if not received.fits(check):
        algorithm, _, digest = check.digest.partition(":")
        found = f"{algorithm}:{received.digests[algorithm][:_SHOWN]}…"
        reason = f"expected {algorithm}:{digest[:_SHOWN]}… as the check file says, found {found}"
        return Verdict(State.REFUSED, "E203", reason, check.records)
    return Verdict(State.VERIFIED, records=check.records)


def _wrong_cycle(contract: Contract, name: BatchName, now: datetime) -> Verdict | None:
    cycle = parse_cycle(contract.schedule.cadence, name.cycle)
    if cycle is None:
        cadence = contract.schedule.cadence
        reason = f"expected a {cadence} cycle that is a real date, found {name.cycle}"
        return Verdict(State.REFUSED, "E104", reason)
    if cycle.end > now:
        return Verdict(State.REFUSED, "E105", f"the cycle ends at {cycle.end}, later than now")
    if Mode(name.mode) not in contract.modes:
        return Verdict(State.REFUSED, "E106", f"mode {name.mode} is not allowed for {name.feed}")
    return None


def _against_ledger(accepted: Accepted, received: Received, records: int | None) -> Verdict:
    same_stem = accepted.of_stem(received.name)
    if same_stem is not None:
        if same_stem.digest == received.digest:
            return Verdict(State.DUPLICATE, reason="the same bytes were accepted before", records=records)
        reason = "a batch of this stem with other bytes was accepted before"
        return Verdict(State.REFUSED, "E503", reason, records)
    newest = accepted.newest(received.name)
    if newest is not None and newest.version > received.name.version:
        reason = f"version {newest.version} of this SEQ was accepted before"
        return Verdict(State.SUPERSEDED, "E504", reason, records)
    return Verdict(State.VERIFIED, records=records)
