"""File to staged Parquet with all checks, digest and rejects, against DuckDB's typed read of the same UTF-8 file.

    python tests/bench/checks.py --rows 5000000 --runs 3

Every figure is a median over interleaved runs, each in a process of its own; the ratio is to the bound of the same run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from pipelines.check_files import CheckFile
from pipelines.checks.judging import judge
from pipelines.checks.places import StagedPaths
from pipelines.checks.reading import ArchivedBatch
from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.cycles import parse_cycle
from pipelines.names import parse_stem

STEM = "PAYM_110_I_2026112210_0001_00"
KINDS = {
    "bound": "DuckDB typed read_csv",
    "clean": "clean, UTF-8",
    "bad": "1 % bad, UTF-8",
    "gb18030": "clean, GB18030",
}


def make_files(directory: Path, rows: int) -> None:
    """The same payments three times: clean, with 1 % bad rows of four kinds, and in GB18030.

    Every row holds Chinese characters, so that decoding has something to do.
    """
    clean = payments(rows)
    bad = with_bad_rows(clean)
    for kind, frame, encoding in (("clean", clean, "utf-8"), ("bad", bad, "utf-8"), ("gb18030", clean, "gb18030")):
        place = directory / kind
        place.mkdir()
        body = frame["line"].str.join("\n")[0]
        total = int(frame["amount"].sum())
        content = f"H|1|PAYM|110|I|2026112210|0001|00|20261122110231|{rows}\n{body}\nT|{rows}|{total}\n"
        (place / f"{STEM}.DAT").write_bytes(content.encode(encoding))


def payments(rows: int) -> pl.DataFrame:
    """Records as lines, and what each counts in the control total."""
    number = np.arange(rows)
    random = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "payment_id": number, "account_id": number % 300_000, "user_id": number % 300_000,
            "phone": random.integers(0, 10**8, rows), "minute": random.integers(0, 60, rows),
            "second": random.integers(0, 60, rows), "amount": random.integers(1, 50_000, rows),
            "balance": random.integers(0, 9_999, rows), "operator": number % 5000,
        }
    ).select(
        pl.format(
            "P{}|A{}|U{}|北京138{}|2026112210{}{}|{}|1|WALLET|APP||202610|{}|OP{}",
            *(
                pl.col(name).cast(pl.String).str.zfill(width)
                for name, width in [("payment_id", 11), ("account_id", 9), ("user_id", 9), ("phone", 8),
                                    ("minute", 2), ("second", 2)]
            ),
            pl.col("amount"), pl.col("balance"), pl.col("operator").cast(pl.String).str.zfill(5),
        ).alias("line"),
        "amount",
    )  # fmt: skip


def with_bad_rows(clean: pl.DataFrame) -> pl.DataFrame:
    """One row in a hundred spoilt, in four ways: a code, a missing value, a month, a field too many."""
    line, place = pl.col("line"), pl.int_range(pl.len()) % 400
    return clean.with_columns(
        pl.when(place == 7)
        .then(line.str.replace("|WALLET|", "|CASHH|", literal=True))
        .when(place == 107)
        .then(line.str.replace("|WALLET|", "||", literal=True))
        .when(place == 207)
        .then(line.str.replace("|202610|", "|202613|", literal=True))
        .when(place == 307)
        .then(line.str.replace("|APP|", "|APP|EXTRA|", literal=True))
        .otherwise(line)
        .alias("line"),
        pl.when(place == 307).then(0).otherwise("amount").alias("amount"),
    )


def bound(path: Path) -> None:
    """What it is measured against: the typed read, nothing checked, into a table on disk."""
    contract = load_contracts(DEFAULT_SCHEMAS)["PAYM"]
    kinds = {"integer": "BIGINT", "money": "BIGINT", "timestamp": "TIMESTAMP"}
    columns = {column.name: kinds.get(column.type.value, "VARCHAR") for column in contract.columns}
    with duckdb.connect(str(path.with_suffix(".duckdb"))) as connection:
        connection.execute(
            f"create table payment as select * from read_csv('{path}', delim='|', header=false, skip=1, quote='', "
            f"escape='', columns={columns}, timestampformat='%Y%m%d%H%M%S', ignore_errors=true)"
        )


def ours(path: Path, kind: str) -> None:
    contract, name = load_contracts(DEFAULT_SCHEMAS)["PAYM"], parse_stem(STEM)
    cycle = parse_cycle(contract.schedule.cadence, "2026112210")
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
    seconds = time.perf_counter() - begun
    status = Path("/proc/self/status").read_text()  # getrusage would count the parent before exec
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"s": seconds, "mb": peak}))  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(KINDS)[1:], default=list(KINDS)[1:])
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child[0], Path(arguments.child[1]))
        return
    figures: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS if kind in ("bound", *arguments.only)}
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        make_files(directory, arguments.rows)
        for path in directory.rglob("*.DAT"):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            path.with_suffix(".json").write_text(json.dumps({"rows": arguments.rows, "digest": f"sha256:{digest}"}))
        for _ in range(arguments.runs):
            for kind in figures:
                command = [sys.executable, __file__, "--child", kind, scratch]
                for leftover in directory.rglob("*.duckdb*"):
                    leftover.unlink()
                figures[kind].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    _report(figures, arguments.rows)


def _report(figures: dict[str, list[dict[str, float]]], rows: int) -> None:
    versions = f"DuckDB {duckdb.__version__}, Polars {pl.__version__}, Python {platform.python_version()}"
    print(f"{rows} PAYM rows of 13 columns; medians of {len(figures['bound'])} interleaved runs; {versions}\n")  # noqa: T201
    print("| what | s | rows/s | ratio to bound | peak MB |\n| --- | --- | --- | --- | --- |")  # noqa: T201
    base = statistics.median(run["s"] for run in figures["bound"])
    for kind in figures:
        title, seconds = KINDS[kind], statistics.median(run["s"] for run in figures[kind])
        peak = max(run["mb"] for run in figures[kind])
        print(f"| {title} | {seconds:.2f} | {rows / seconds:,.0f} | {base / seconds:.2f} | {peak:.0f} |")  # noqa: T201


if __name__ == "__main__":
    main()
