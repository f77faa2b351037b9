"""What files would come to if they were sent: for whoever writes the programs that make them.

The checks are those of a load, E101 to E501, by the same functions; what came before (E503, E504, E505) and what the
warehouse knows (E506) is not asked. Nothing is written but scratch, and no ledger is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.arrival import left_for
from pipelines.check_files import EndFile, Unreadable, parse_check_file
from pipelines.checks.judging import judge
from pipelines.checks.places import StagedPaths
from pipelines.checks.reading import ArchivedBatch
from pipelines.checks.staging import RejectLines, read_rejects
from pipelines.contracts.model import Contract, Contracts
from pipelines.cycles import parse_cycle
from pipelines.ends import contradiction, gaps, listed, read_end, unnamed
from pipelines.ledger.offerings import State
from pipelines.names import (
    DATA_ENDINGS,
    BatchName,
    CycleKey,
    parse_check_name,
    parse_data_name,
    parse_end_name,
    parse_stem,
)
from pipelines.transfer.base import RemoteFile
from pipelines.verdicts import read_check, received_from, verdict_alone

EncodingOf = Callable[[str], str]
Rejected = tuple[int, str, str]  # line, codes, columns; codes and columns joined by + in the same order


@dataclass
class FileFinding:
    """What one file would come to. `status` as in receipts, LEFT where it would stay on the server, SOUND: an end file
    in order.
    """

    name: str
    status: str
    code: str | None = None
    reason: str = ""
    records: int | None = None
    version: str | None = None  # of the contract that read it
    encoding: str | None = None  # in which it was read
    control_total: int | None = None  # of a data file that would be taken
    rejects: list[Rejected] = field(default_factory=list)
    reject_lines: bytes = b""  # as `.REJ` would hold them


def check_files(paths: list[Path], contracts: Contracts, encoding_of: EncodingOf, now: datetime) -> list[FileFinding]:
    """Each file, and of a directory each that a poll would look at. `encoding_of` a source.

    End files are held against the trailers of those data files that are checked with them.
    """
    offered = list(dict.fromkeys(path for each in paths for path in _offered(each)))
    found: dict[Path, FileFinding] = {}
    totals: dict[Path, dict[str, int]] = {}  # of each directory, by stem
    for path in sorted(offered, key=lambda path: parse_end_name(path.name) is not None):
        found[path] = finding = _check(path, contracts, encoding_of, now, totals)
        if finding.control_total is not None:
            totals.setdefault(path.parent, {})[path.name.partition(".")[0]] = finding.control_total
    return [found[path] for path in offered]


def _offered(path: Path) -> Iterator[Path]:
    """A file itself, the data file for its check file; of a directory those at which a poll would look, a check file
    only where it is alone.
    """
    if not path.is_dir():
        of_check = parse_check_name(path.name)
        data = _data_beside(path, of_check) if of_check else []
        yield data[0] if len(data) == 1 else path
        return
    for each in sorted(each for each in path.rglob("*") if each.is_symlink() or not each.is_dir()):
        name = parse_check_name(each.name)
        is_paired = name is not None and _is_regular(each) and bool(_data_beside(each, name))
        if not (is_paired or each.name.startswith(".") or each.name.endswith(".tmp")):
            yield each


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _data_beside(path: Path, name: BatchName) -> list[Path]:
    places = (path.with_name(name.stem + ending) for ending in DATA_ENDINGS)
    return [place for place in places if _is_regular(place)]


def _check(
    path: Path, contracts: Contracts, encoding_of: EncodingOf, now: datetime, totals: dict[Path, dict[str, int]]
) -> FileFinding:
    name = parse_data_name(path.name) or parse_check_name(path.name) or parse_end_name(path.name)
    feed, source = (name.feed, name.source) if name else ("", "")
    entry = RemoteFile(path.name, path.lstat().st_size, _is_regular(path))
    here = path.absolute().parent.name
    feed_here = here if here in contracts.feed_names else feed
    if left := left_for(entry, name, feed_here, source, contracts.feed_names):
        return FileFinding(path.name, "LEFT", left.code, left.reason)
    if isinstance(name, CycleKey):
        return _check_end(path, name, contracts[feed], now, totals.get(path.parent, {}))
    assert name is not None, "a name without parts is left"
    data = _data_beside(path, name)
    if len(data) > 1:
        return FileFinding(path.name, "LEFT", "E101", "expected one data file a stem, found .DAT and .DAT.gz")
    if not data:
        return FileFinding(path.name, "LEFT", reason=f"expected {name.stem}.DAT beside it, found none")
    return _check_data(data[0], name, contracts[feed], encoding_of(source), now)


def _check_data(path: Path, name: BatchName, contract: Contract, encoding: str, now: datetime) -> FileFinding:
    check_path = path.with_name(f"{name.stem}.CHK")
    if not _is_regular(check_path):
        found = received_from(name, path, b"")
        line = f"{path.name}|{found.bytes}|RECORDS|{found.digest}|{now:%Y%m%d%H%M%S}"
        return FileFinding(path.name, "LEFT", reason=f"expected {check_path.name} beside it with the line {line}")
    received = received_from(name, path, check_path.read_bytes())
    said = verdict_alone(contract, received, now)
    check, _ = read_check(name, path.name, received.check)
    cycle = parse_cycle(contract.schedule.cadence, name.cycle)
    if said.state is not State.VERIFIED or check is None or cycle is None:
        return FileFinding(path.name, "REFUSED", said.code, said.reason or "", said.records)
    with TemporaryDirectory() as scratch:
        staged = StagedPaths(Path(scratch) / "rows", Path(scratch) / "rejects")
        judged = judge(ArchivedBatch(path, name, cycle, check, encoding), contract, staged)
        finding = FileFinding(
            path.name, "ACCEPTED", judged.code, judged.reason, said.records, judged.format_version, encoding
        )
        if judged.rejected:
            finding.rejects = [(row["line"], row["codes"], row["columns"]) for row in read_rejects(staged)]
            finding.reject_lines = b"".join(RejectLines(staged))
    if judged.code is None:
        finding.control_total = judged.control_total
    finding.status = "REFUSED" if judged.code else "PARTIAL" if judged.rejected else "ACCEPTED"
    return finding


def _check_end(path: Path, key: CycleKey, contract: Contract, now: datetime, totals: dict[str, int]) -> FileFinding:
    problem, end = read_end(key, parse_cycle(contract.schedule.cadence, key.cycle), path.read_bytes(), now)
    if end is None:
        return FileFinding(path.name, "LEFT", "E207", problem)
    if problem := contradiction(end, _declared(path, end), totals):
        return FileFinding(path.name, "LEFT", "E207", problem, end.records)
    named = {name.seq: name.version for entry in end.entries if (name := parse_stem(entry.stem))}
    if missing := gaps(end, named):
        reason = f"expected every SEQ from 0001 on, found no {', '.join(missing)}"
        return FileFinding(path.name, "LEFT", "E502", reason, end.records)
    reason = f"{end.files} files"
    beside = _stems_beside(path, key)
    versions = {name.seq: name.version for stem in beside if (name := parse_stem(stem))}  # of each the newest
    if absent := gaps(end, versions):
        reason += f"; named, but not beside it: {listed(absent)}; without them the cycle is not complete"
    if others := unnamed(end, beside):
        reason += f"; beside it, but not named: {others}; make it after the last file"
    return FileFinding(path.name, "SOUND", None, reason, end.records)


def _stems_beside(path: Path, key: CycleKey) -> list[str]:
    """Of the cycle of an end file, those whose check files stand beside it."""
    found = (parse_check_name(each.name) for each in sorted(path.parent.glob(f"{key}_*.CHK")) if _is_regular(each))
    return [name.stem for name in found if name is not None]


def _declared(path: Path, end: EndFile) -> dict[str, int]:
    """Records by stem, as those check files say that stand beside an end file."""
    found = {}
    for entry in end.entries:
        beside = path.with_name(f"{entry.stem}.CHK")
        if _is_regular(beside):
            try:
                found[entry.stem] = parse_check_file(beside.read_bytes(), entry.stem).records
            except Unreadable:
                continue  # the finding of its data file says so
    return found
