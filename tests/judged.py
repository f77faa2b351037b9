"""Judging a data file in this process, and holding what the judge left against the slow reader."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
from random_files import CYCLES, SOURCE
from row_oracle import Reading

from pipelines.check_files import CheckFile
from pipelines.checks.judging import Judgement, judge
from pipelines.checks.places import StagedPaths
from pipelines.checks.reading import ArchivedBatch
from pipelines.checks.staging import RejectLines, read_rejects
from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.cycles import parse_cycle
from pipelines.names import parse_stem

CONTRACTS = load_contracts(DEFAULT_SCHEMAS)


def framed(feed: str, body: bytes, control_total: int = 0, end: bytes = b"\n") -> bytes:
    """A file of these records, each with its line end."""
    count = body.count(b"\n")
    header = f"H|1|{feed}|{SOURCE}|I|{CYCLES[feed].text}|0001|00|20261122120000|{count}".encode()
    return header + end + body + f"T|{count}|{control_total}".encode() + end


def run_judge(
    directory: Path, feed: str, content: bytes, encoding: str = "utf-8", *, block_bytes: int | None = None,
    records: int | None = None, gz: bool = False, digest: str | None = None,
) -> Judgement:  # fmt: skip
    """The judge's word on a file as it is transferred; what it stages stands in the directory.

    `records` as the check file says (None: as the header of a file that is no gzip does); `digest` likewise.
    """
    stem = f"{feed}_{SOURCE}_I_{CYCLES[feed].text}_0001_00"
    path = directory / f"{stem}.DAT{'.gz' if gz else ''}"
    path.write_bytes(content)
    name, contract = parse_stem(stem), CONTRACTS[feed]
    cycle = parse_cycle(contract.schedule.cadence, CYCLES[feed].text)
    assert name is not None
    assert cycle is not None
    said = int(content.split(b"\n", 1)[0].rsplit(b"|", 1)[1]) if records is None else records
    digest = digest or hashlib.sha256(content).hexdigest()
    check = CheckFile(path.name, len(content), said, f"sha256:{digest}", "20261122120001")
    batch = ArchivedBatch(path, name, cycle, check, encoding)
    size = {} if block_bytes is None else {"block_bytes": block_bytes}
    return judge(batch, contract, staged_in(directory), waive_limit=True, **size)


def staged_in(directory: Path) -> StagedPaths:
    return StagedPaths(directory / "rows.parquet", directory / "rejects.parquet")


def compare(judgement: Judgement, staged: StagedPaths, expected: Reading, columns: tuple[str, ...]) -> None:
    """Rows, rejects, tally and totals, value by value; the first difference is told."""
    assert judgement.code is None, judgement.reason
    found = [(row["line"], row["codes"], row["columns"], bytes(row["record"])) for row in read_rejects(staged)]
    for seen, wanted in zip(found, expected.rejects, strict=False):
        assert seen == wanted
    assert len(found) == len(expected.rejects), (found + expected.rejects)[min(len(found), len(expected.rejects))]
    rows = pl.read_parquet(staged.rows).select(*columns, "line").rows()
    assert len(rows) == len(expected.rows)
    if rows != expected.rows:
        raise AssertionError(next(pair for pair in zip(rows, expected.rows, strict=True) if pair[0] != pair[1]))
    assert b"".join(RejectLines(staged)) == b"".join(
        f"{line}|{codes}|{names}|".encode() + record + b"\n" for line, codes, names, record in expected.rejects
    )
    tally = (judgement.loaded, judgement.rejected, judgement.control_total, judgement.control_rejected)
    assert tally == (len(expected.rows), len(expected.rejects), expected.control_total, expected.control_rejected)
    assert judgement.control_loaded == expected.control_total - expected.control_rejected
    assert judgement.loaded + judgement.rejected == expected.records
