"""End files: taking them, archiving them, moving them to backup/ (file interface, section 3)."""

from __future__ import annotations

import hashlib

from pipelines.archive import keep
from pipelines.arrival import LeftFile
from pipelines.check_files import MAX_BYTES, EndFile, Unreadable, parse_end_file
from pipelines.clock import compact
from pipelines.completeness import contradiction, declared
from pipelines.contracts.model import Contract
from pipelines.cycles import Cycle, parse_cycle
from pipelines.ledger.end_files import end_digest, record_end
from pipelines.ledger.left_files import note_one_left
from pipelines.names import CycleKey
from pipelines.site import Site, day_path
from pipelines.transfer.base import Transport


def take_end(site: Site, contract: Contract, transport: Transport, key: CycleKey, file_name: str) -> str:
    """Take one end file; returns why it was left (E207), or an empty text where it was taken.

    The bytes are archived before the file is moved, and the ledger says so in between: a crash at any point leaves
    a state from which the same steps end the same way.
    """
    path = f"outgoing/{contract.feed}/{file_name}"
    content = bytearray()

    def collect(block: bytes) -> None:
        if len(content) <= MAX_BYTES:
            content.extend(block)

    transport.read(path, collect)
    cycle = parse_cycle(contract.schedule.cadence, key.cycle)
    problem = _problem(site, cycle, key, bytes(content))
    if problem or cycle is None:
        left = LeftFile(file_name, "E207", problem)
        with site.ledger.transaction() as connection:
            note_one_left(connection, key.source, f"outgoing/{contract.feed}", left, site.now)
        return problem
    end = parse_end_file(bytes(content), str(key))
    digest = hashlib.sha256(content).hexdigest()
    with site.ledger.transaction() as connection:
        former = end_digest(connection, key)
    _archive(site, contract, cycle, file_name, bytes(content), is_former_other=former not in (None, digest))
    with site.ledger.transaction() as connection:
        record_end(connection, key, end, digest, site.now)
    _move(site, transport, cycle, path, f"backup/{cycle.day:%Y%m%d}/{contract.feed}", file_name)
    return ""


def _problem(site: Site, cycle: Cycle | None, key: CycleKey, content: bytes) -> str:
    if cycle is None:
        return f"expected a cycle that fits the cadence and is a real date, found {key.cycle}"
    if cycle.end > site.now:
        return f"the cycle ends at {cycle.end}, later than now"
    try:
        end: EndFile = parse_end_file(content, str(key))
    except Unreadable as error:
        return str(error)
    with site.ledger.transaction() as connection:
        return contradiction(end, *declared(connection, key))


def _archive(
    site: Site, contract: Contract, cycle: Cycle, file_name: str, content: bytes, *, is_former_other: bool
) -> None:
    directory = site.home.archive / contract.feed / day_path(cycle.day)
    if is_former_other and (directory / file_name).exists():
        former = directory / file_name
        former.rename(directory / f"{compact(site.now)}-{file_name}")
    landed = site.home.landing / file_name
    landed.unlink(missing_ok=True)  # a crash may have left a read-only one
    landed.write_bytes(content)
    keep(landed, directory)


def _move(site: Site, transport: Transport, cycle: Cycle, path: str, directory: str, file_name: str) -> None:
    """To backup/; the former end file of the cycle makes way as `refused/<time>-NAME`, so nothing is overwritten."""
    target = f"{directory}/{file_name}"
    if transport.exists(target):
        transport.rename(target, f"{directory}/refused/{compact(site.now)}-{file_name}")
    transport.rename(path, target)
