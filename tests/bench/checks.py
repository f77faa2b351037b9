"""File to staged Parquet with all checks, digest and rejects, against DuckDB's typed read of the same UTF-8 file.

    python tests/bench/checks.py --rows 5000000 --runs 3

Every figure is a median over interleaved runs, each in a process of its own; the ratio is to the bound of the same run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from pathlib import Path

import duckdb
from figures import Figure, tell
from measuring import Run, answer, child_run, interleaved
from payment_files import CYCLE, STEM, content, payments, typed_read, with_bad_rows

from pipelines.check_files import CheckFile
from pipelines.checks.judging import judge
from pipelines.checks.places import StagedPaths
from pipelines.checks.reading import ArchivedBatch
from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.cycles import parse_cycle
from pipelines.names import parse_stem

KINDS = {"clean": "clean, UTF-8", "bad": "1 % bad, UTF-8", "gb18030": "clean, GB18030"}


def make_files(directory: Path, rows: int) -> None:
    """The same payments three times: clean, with 1 % bad rows of four kinds, and in GB18030."""
    clean = payments(rows)
    bad = with_bad_rows(clean)
    for kind, frame, encoding in (("clean", clean, "utf-8"), ("bad", bad, "utf-8"), ("gb18030", clean, "gb18030")):
        path = directory / kind / f"{STEM}.DAT"
        path.parent.mkdir()
        data = content(STEM, frame).encode(encoding)
        path.write_bytes(data)
        said = {"rows": rows, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}"}
        path.with_suffix(".json").write_text(json.dumps(said))


def bound(path: Path) -> None:
    """What it is measured against: the typed read, nothing checked, into a table on disk."""
    with duckdb.connect(str(path.with_suffix(".duckdb"))) as connection:
        connection.execute(typed_read(str(path)))


def ours(path: Path, kind: str) -> None:
    contract, name = load_contracts(DEFAULT_SCHEMAS)["PAYM"], parse_stem(STEM)
    cycle = parse_cycle(contract.schedule.cadence, CYCLE)
    assert name is not None
    assert cycle is not None
    meta = json.loads(path.with_suffix(".json").read_text())
    check = CheckFile(path.name, path.stat().st_size, meta["rows"], meta["digest"], "20261122110232")
    encoding = "gb18030" if kind == "gb18030" else "utf-8"
    staged = StagedPaths(path.with_suffix(".parquet"), path.with_suffix(".rejects.parquet"))
    judgement = judge(ArchivedBatch(path, name, cycle, check, encoding), contract, staged, waive_limit=True)
    assert judgement.loaded + judgement.rejected == meta["rows"], judgement


def child(kind: str, directory: Path) -> None:
    path = directory / ("clean" if kind == "bound" else kind) / f"{STEM}.DAT"
    begun = time.perf_counter()
    bound(path) if kind == "bound" else ours(path, kind)
    answer(s=time.perf_counter() - begun)


def measured(kind: str, directory: Path) -> Run:
    """In a process of its own, into a new database where it is the bound."""
    for leftover in directory.rglob("*.duckdb*"):
        leftover.unlink()
    return child_run(__file__, kind, str(directory))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        child(wanted.child[0], Path(wanted.child[1]))
        return
    with tempfile.TemporaryDirectory() as scratch:
        make_files(Path(scratch), wanted.rows)
        works = {kind: lambda kind=kind: measured(kind, Path(scratch)) for kind in ("bound", *wanted.only)}  # type: ignore[misc]
        found = interleaved(works, wanted.runs)
    base = found.pop("bound")
    figures = [
        Figure(f"checks_{kind}", f"{wanted.rows:,} payments, {KINDS[kind]}", wanted.rows / run.s, "rows/s",
               wanted.rows / base.s, run.mb)
        for kind, run in found.items()
    ]  # fmt: skip
    tell(f"file to staged Parquet, digest, all checks, rejects; medians of {wanted.runs} interleaved runs", *figures)


if __name__ == "__main__":
    main()
