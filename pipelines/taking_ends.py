"""End files: taking them, archiving them, moving them to backup/ (file interface, section 3)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from itertools import count

from pipelines.archive import keep
from pipelines.arrival import LeftFile
from pipelines.check_files import MAX_BYTES
from pipelines.clock import compact
from pipelines.completeness import declared
from pipelines.contracts.model import Contract
from pipelines.cycles import Cycle, parse_cycle
from pipelines.ends import contradiction, read_end
from pipelines.errors import TransferError
from pipelines.lanes import GONE
from pipelines.ledger.end_files import record_end
from pipelines.names import CycleKey
from pipelines.site import Site, day_path
from pipelines.transfer.base import RemoteFile, TargetExistsError, Transport, first_bytes


def take_ends(
    site: Site, contract: Contract, transport: Transport, ends: list[tuple[CycleKey, RemoteFile]]
) -> tuple[list[str], list[LeftFile], list[str]]:
    """Take end files; returns the names of those taken, those left (E207), and errors of single files."""
    taken, left, errors = [], [], []
    for key, entry in ends:
        try:
            problem = _take_end(site, contract, transport, key, entry.name)
        except GONE:
            raise
        except TransferError as error:  # one end file does not keep the others
            errors.append(str(error))
            continue
        if problem:
            left.append(LeftFile(entry.name, "E207", problem))
        else:
            taken.append(entry.name)
    return taken, left, errors


def _take_end(site: Site, contract: Contract, transport: Transport, key: CycleKey, file_name: str) -> str:
    """Take one end file; returns why it was left (E207), or an empty text where it was taken.

    The bytes are archived before the file is moved, and the ledger says so in between: a crash at any point leaves
    a state from which the same steps end the same way.
    """
    path = f"outgoing/{contract.feed}/{file_name}"
    content = _content(transport, path)
    cycle = parse_cycle(contract.schedule.cadence, key.cycle)
    problem = _let_stand(site, contract, key, cycle, content)
    if problem or cycle is None:
        return problem
    if _content(transport, path) != content:
        return ""  # replaced meanwhile: the next poll takes the other one
    target = _move(site, transport, path, f"backup/{cycle.day:%Y%m%d}/{contract.feed}", file_name)
    moved = _content(transport, target)
    if moved == content:
        return ""
    problem = _let_stand(site, contract, key, cycle, moved)  # replaced since: in backup/ no poll would see it
    if problem:
        with suppress(TargetExistsError):  # or replaced once more: the next poll takes that one
            transport.rename(target, path)
    return problem


def _let_stand(site: Site, contract: Contract, key: CycleKey, cycle: Cycle | None, content: bytes) -> str:
    """Archive an end file and let it stand for its cycle; returns why it cannot (E207), or an empty text."""
    digest = hashlib.sha256(content).hexdigest()
    with site.ledger.reading() as connection:
        problem, end = read_end(key, cycle, content, site.now)
        problem = problem or (contradiction(end, *declared(connection, key)) if end else "")
    if problem or cycle is None or end is None:
        return problem
    _archive(site, contract, cycle, f"{key}.END", content)
    with site.ledger.transaction() as connection:
        record_end(connection, key, end, digest, site.now)
    return ""


def _content(transport: Transport, path: str) -> bytes:
    """An end file as far as a sound one may go, and a byte more where it goes further (E207)."""
    return first_bytes(transport, path, MAX_BYTES + 1)


def _free_name(site: Site, file_name: str, exists: Callable[[str], bool]) -> str:
    """`<time>-NAME`, or the next one that nothing stands at: two end files of a cycle may make way within a second."""
    names = (f"{compact(site.now)}{f'.{number}' if number else ''}-{file_name}" for number in count())
    return next(name for name in names if not exists(name))


def _archive(site: Site, contract: Contract, cycle: Cycle, file_name: str, content: bytes) -> None:
    """Keep an end file; the former one of the cycle keeps its bytes under the time at which it made way."""
    directory = site.home.archive / contract.feed / day_path(cycle.day)
    former = directory / file_name
    site.objects.bring([former])
    if former.exists() and former.read_bytes() != content:
        free = directory / _free_name(site, file_name, lambda name: site.objects.size(directory / name) is not None)
        former.rename(free)
        site.objects.put([free])
    landed = site.home.landing / file_name
    landed.unlink(missing_ok=True)  # a crash may have left a read-only one
    landed.write_bytes(content)
    keep(landed, directory)
    site.objects.put([directory / file_name])


def _move(site: Site, transport: Transport, path: str, directory: str, file_name: str) -> str:
    """To backup/; returns where it stands there.

    The former end file of the cycle makes way as `refused/<time>-NAME`, so nothing is overwritten.
    """
    target = f"{directory}/{file_name}"
    if transport.exists(target):
        aside = f"{directory}/refused/"
        transport.rename(target, aside + _free_name(site, file_name, lambda name: transport.exists(aside + name)))
    transport.rename(path, target)
    return target
